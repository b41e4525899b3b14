package org.ingrain.jni;

import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/** Calls the driver through JCuda. A failed call throws a CudaException. */
final class JniDriver implements Driver {
    private final CUstream stream = new CUstream();
    private final CUfunction function = new CUfunction();
    private final CUdeviceptr out = new CUdeviceptr();
    private final int[] version = new int[1];
    private final int[] count = new int[1];
    private final Pointer parameters;

    /** Makes the primary context of device 0 current on this thread. CUDA's runtime uses the same context. */
    JniDriver() {
        JCudaDriver.setExceptionsEnabled(true);
        JCudaDriver.cuInit(0);
        CUdevice device = new CUdevice();
        JCudaDriver.cuDeviceGet(device, 0);
        CUcontext context = new CUcontext();
        JCudaDriver.cuDevicePrimaryCtxRetain(context, device);
        JCudaDriver.cuCtxSetCurrent(context);
        JCudaDriver.cuStreamCreate(stream, NON_BLOCKING);
        CUmodule module = new CUmodule();
        JCudaDriver.cuModuleLoadData(module, PTX);
        JCudaDriver.cuModuleGetFunction(function, module, KERNEL);
        JCudaDriver.cuMemAlloc(out, Integer.BYTES);
        parameters = Pointer.to(Pointer.to(out), Pointer.to(count));
    }

    CUstream stream() {
        return stream;
    }

    @Override
    public int version(int calls) {
        for (int i = 0; i < calls; i++) {
            JCudaDriver.cuDriverGetVersion(version);
        }
        return version[0];
    }

    @Override
    public void launch(int calls) {
        for (int i = 0; i < calls; i++) {
            count[0] = i;
            JCudaDriver.cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, parameters, null);
        }
    }

    @Override
    public void drain() {
        JCudaDriver.cuStreamSynchronize(stream);
    }

    @Override
    public int marked() {
        int[] value = new int[1];
        JCudaDriver.cuMemcpyDtoH(Pointer.to(value), out, Integer.BYTES);
        return value[0];
    }
}
