package org.ingrain.jni;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import jcuda.CudaException;
import jcuda.driver.CUresult;

/**
 * Calls the driver through java.lang.foreign in the same way as the engine calls its backends: the method handles are
 * constants, and addresses are passed as 64-bit integers.
 */
final class PanamaDriver implements Driver {
    private static final MethodHandle P = handle(JAVA_LONG);
    private static final MethodHandle PI = handle(JAVA_LONG, JAVA_INT);
    private static final MethodHandle PP = handle(JAVA_LONG, JAVA_LONG);
    private static final MethodHandle PPL = handle(JAVA_LONG, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle LAUNCH = handle(JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT,
            JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);

    private final SymbolLookup symbols;
    private final MemorySegment version;
    private final MemorySegment launch;
    private final MemorySegment synchronize;
    private final MemorySegment cell = Arena.global().allocate(JAVA_LONG);
    private final MemorySegment out = Arena.global().allocate(JAVA_LONG);
    private final MemorySegment count = Arena.global().allocate(JAVA_INT);
    private final MemorySegment parameters = Arena.global().allocate(JAVA_LONG, 2);
    private final long stream;
    private final long function;

    /** Uses the context that is current on this thread. */
    PanamaDriver(SymbolLookup symbols) throws Throwable {
        this.symbols = symbols;
        version = symbols.findOrThrow("cuDriverGetVersion");
        launch = symbols.findOrThrow("cuLaunchKernel");
        synchronize = symbols.findOrThrow("cuStreamSynchronize");
        check("cuStreamCreate", (int) PI.invokeExact(
                symbols.findOrThrow("cuStreamCreate"), cell.address(), NON_BLOCKING));
        stream = cell.get(JAVA_LONG, 0);
        long ptx = Arena.global().allocateFrom(PTX).address();
        check("cuModuleLoadData", (int) PP.invokeExact(symbols.findOrThrow("cuModuleLoadData"), cell.address(), ptx));
        long module = cell.get(JAVA_LONG, 0);
        long name = Arena.global().allocateFrom(KERNEL).address();
        check("cuModuleGetFunction", (int) PPL.invokeExact(
                symbols.findOrThrow("cuModuleGetFunction"), cell.address(), module, name));
        function = cell.get(JAVA_LONG, 0);
        check("cuMemAlloc_v2", (int) PP.invokeExact(symbols.findOrThrow("cuMemAlloc_v2"), out.address(),
                (long) Integer.BYTES));
        parameters.setAtIndex(JAVA_LONG, 0, out.address());
        parameters.setAtIndex(JAVA_LONG, 1, count.address());
    }

    private static MethodHandle handle(MemoryLayout... parameters) {
        return Linker.nativeLinker().downcallHandle(FunctionDescriptor.of(JAVA_INT, parameters));
    }

    private static void check(String call, int status) {
        if (status != CUresult.CUDA_SUCCESS) {
            throw new CudaException(call + ": " + CUresult.stringFor(status));
        }
    }

    @Override
    public int version(int calls) throws Throwable {
        for (int i = 0; i < calls; i++) {
            check("cuDriverGetVersion", (int) P.invokeExact(version, cell.address()));
        }
        return cell.get(JAVA_INT, 0);
    }

    @Override
    public void launch(int calls) throws Throwable {
        for (int i = 0; i < calls; i++) {
            count.set(JAVA_INT, 0, i);
            check("cuLaunchKernel", (int) LAUNCH.invokeExact(
                    launch, function, 1, 1, 1, 1, 1, 1, 0, stream, parameters.address(), 0L));
        }
    }

    @Override
    public void drain() throws Throwable {
        check("cuStreamSynchronize", (int) P.invokeExact(synchronize, stream));
    }

    @Override
    public int marked() throws Throwable {
        check("cuMemcpyDtoH_v2", (int) PPL.invokeExact(
                symbols.findOrThrow("cuMemcpyDtoH_v2"), cell.address(), out.get(JAVA_LONG, 0), (long) Integer.BYTES));
        return cell.get(JAVA_INT, 0);
    }
}
