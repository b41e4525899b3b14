package org.ingrain.workbench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Device;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.ffi.Overlay;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.InputException;

/**
 * Compares a user's kernels with the CPU oracle at all shapes of their ops, then times them. A kernel can crash the
 * process or never return, so the command line runs the check in a separate process.
 */
public final class KernelCheck {
    private static final int UNSUPPORTED = 3;

    private final Work work;
    private final Listener listener;

    /**
     * Input of the check.
     *
     * @param library library of the backend
     * @param backend name of the backend: cpu, cuda or simt
     * @param options options of the contexts
     * @param kernels libraries of the kernels to check
     */
    public record Work(Path library, String backend, ContextOptions options, List<Overlay> kernels) {
    }

    /** Receives the progress of the check. */
    public interface Listener {
        /** @param where file, op and shape of the step that starts now; empty if the step runs only built-in ops */
        void at(String where);
    }

    /**
     * The speed of the user's op at a shape, compared with the built-in op.
     *
     * @param shape               sizes and dtype, such as "T 7 D 127 F32"
     * @param milliseconds        milliseconds for one call of the user's op
     * @param builtInMilliseconds milliseconds for one call of the built-in op
     * @param gigabytesPerSecond  minimum memory traffic of the user's op, divided by the time of its call
     * @param teraflops           rate of the user's op, in 10¹² floating-point operations per second
     * @param bound               the resource that limits the op: "memory" or "compute"
     * @param share               rate of the user's op divided by the measured ceiling of the limiting resource; may
     *                            exceed 1 if the tensors fit into a cache
     */
    public record Timing(String shape, double milliseconds, double builtInMilliseconds, double gigabytesPerSecond,
            double teraflops, String bound, double share) {
    }

    /**
     * An op that passed the check.
     *
     * @param op      name of the op
     * @param source  the user's file
     * @param shapes  number of shapes at which the op agrees with the oracle
     * @param refused number of shapes that the op does not support
     * @param refusal shape and error message of the first refused shape; null if no shape was refused
     * @param timings one timing for each timed shape that the op supports
     */
    public record Checked(String op, String source, int shapes, int refused, String refusal, List<Timing> timings) {
    }

    /**
     * Result of the check.
     *
     * @param device                 device that ran the kernels
     * @param copyGigabytesPerSecond rate of a device copy in this check; the ceiling for memory-bound ops
     * @param matmulTeraflops        rate of the built-in matrix product in this check; the ceiling for compute-bound
     *                               ops
     * @param ops                    the checked ops, sorted by name
     */
    public record Result(Device device, double copyGigabytesPerSecond, double matmulTeraflops, List<Checked> ops) {
    }

    public KernelCheck(Work work, Listener listener) {
        this.work = work;
        this.listener = listener;
    }

    /**
     * Runs the check.
     *
     * @throws InputException at the first wrong result or failed call
     */
    public Result run() {
        Cases.Scale scale = Cases.Scale.of(work.backend());
        Map<String, Cases.Group> groups = Cases.of(scale).stream()
                .collect(Collectors.toMap(Cases.Group::op, Function.identity()));
        try (Backend oracle = Backend.open(NativeLibraries.find("cpu")); Backend plain = Backend.open(work.library());
                Backend swapped = Backend.open(work.library(), work.kernels())) {
            Side.Computer right = new Side.Computer(oracle, oracle,
                    new ContextOptions(0, work.options().threads(), "avx2"));
            Side.Computer own = new Side.Computer(plain, plain, work.options());
            Side.Computer user = new Side.Computer(plain, swapped, work.options());
            List<Checked> ops = new ArrayList<>();
            for (Map.Entry<String, Path> kernel : swapped.overlaid().entrySet()) {
                ops.add(compared(groups.get(kernel.getKey()), kernel.getValue(), right, user));
            }
            listener.at("");
            try (Side side = own.open(null)) {
                KernelTimer.Ceiling ceiling = KernelTimer.Ceiling.measure(side, scale);
                List<Checked> timed = ops.stream().map(op -> timed(op, groups.get(op.op()), own, user, ceiling))
                        .toList();
                return new Result(side.context().device(), ceiling.bytesPerSecond() / 1e9,
                        ceiling.flopsPerSecond() / 1e12, timed);
            }
        }
    }

    private static String where(Path source, Case at) {
        return source + ": " + at.op() + " at " + at.shape();
    }

    /** Compares an op with the oracle at all shapes of the op. The result does not contain timings. */
    private Checked compared(Cases.Group group, Path source, Side.Computer right, Side.Computer user) {
        int agreed = 0;
        int refused = 0;
        String refusal = null;
        for (Case at : group.compared()) {
            listener.at(where(source, at));
            try (Side oracle = right.open(null); Side side = user.open(oracle)) {
                Comparison.hold(where(source, at), oracle, at.on(oracle), side, at.on(side));
                agreed++;
            } catch (BackendException e) {
                refusal = refusal == null ? refusal(source, at, e) : refusal;
                refused++;
            }
        }
        if (agreed == 0) {
            throw new InputException(source + ": " + group.op() + " supports none of " + refused
                    + " shapes; the message for the first shape: " + refusal);
        }
        return new Checked(group.op(), source.toString(), agreed, refused, refusal, List.of());
    }

    /**
     * Returns the shape and the error message if the kernel does not support the shape; throws an InputException for
     * any other error.
     */
    private static String refusal(Path source, Case at, BackendException e) {
        if (e.status() != UNSUPPORTED) {
            throw new InputException(where(source, at) + ": fails with status " + e.status() + ": " + e.getMessage(),
                    e);
        }
        return at.shape() + ": " + e.getMessage();
    }

    private Checked timed(Checked op, Cases.Group group, Side.Computer own, Side.Computer user,
            KernelTimer.Ceiling ceiling) {
        List<Timing> timings = new ArrayList<>();
        for (Case at : group.timed()) {
            String where = where(Path.of(op.source()), at);
            listener.at(where);
            try (Side builtIn = own.open(null); Side side = user.open(null)) {
                Call call = at.on(side);
                Call usual = at.on(builtIn);
                Comparison.hold(where, builtIn, usual, side, call);
                timings.add(ceiling.beside(at.shape(), new Side[] {side, builtIn}, call, usual));
            } catch (BackendException e) {
                refusal(Path.of(op.source()), at, e);
            }
        }
        return new Checked(op.op(), op.source(), op.shapes(), op.refused(), op.refusal(), timings);
    }
}
