package org.ingrain.jni;

import java.lang.foreign.MemorySegment;
import jcuda.Pointer;
import jcuda.cudaDataType;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.JCudaDriver;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasComputeType;
import jcuda.jcublas.cublasGemmAlgo;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasOperation;
import jcuda.runtime.cudaStream_t;

/** A product computed by cublasGemmEx through JCublas, on the stream of JniDriver. */
final class JCublasProduct implements AutoCloseable {
    private static final Pointer ONE = Pointer.to(new float[] {1});
    private static final Pointer ZERO = Pointer.to(new float[] {0});

    private final Product product;
    private final cublasHandle handle = new cublasHandle();
    private final CUdeviceptr x;
    private final CUdeviceptr w;
    private final CUdeviceptr y;

    JCublasProduct(Product product, JniDriver driver) {
        this.product = product;
        JCublas2.setExceptionsEnabled(true);
        JCublas2.cublasCreate(handle);
        JCublas2.cublasSetStream(handle, new cudaStream_t(driver.stream()));
        x = upload(product.x());
        w = upload(product.w());
        y = allocate(Product.bytes(product.t(), product.n()));
    }

    private static CUdeviceptr allocate(long bytes) {
        CUdeviceptr pointer = new CUdeviceptr();
        JCudaDriver.cuMemAlloc(pointer, bytes);
        return pointer;
    }

    private static CUdeviceptr upload(MemorySegment host) {
        CUdeviceptr pointer = allocate(host.byteSize());
        JCudaDriver.cuMemcpyHtoD(pointer, Pointer.to(host.asByteBuffer()), host.byteSize());
        return pointer;
    }

    /**
     * Enqueues the product. cuBLAS is column-major, so the call computes yᵀ (N, T) = W·xᵀ. The entry point with the
     * suffix {@code _new} takes a compute type.
     */
    void run(int calls) {
        for (int i = 0; i < calls; i++) {
            JCublas2.cublasGemmEx_new(handle, cublasOperation.CUBLAS_OP_T, cublasOperation.CUBLAS_OP_N, product.n(),
                    product.t(), product.c(), ONE, w, cudaDataType.CUDA_R_16BF, product.c(), x,
                    cudaDataType.CUDA_R_16BF, product.c(), ZERO, y, cudaDataType.CUDA_R_16BF, product.n(),
                    cublasComputeType.CUBLAS_COMPUTE_32F, cublasGemmAlgo.CUBLAS_GEMM_DEFAULT);
        }
    }

    /** Copies y to the host; the stream must have been synchronised. */
    void read(MemorySegment host) {
        JCudaDriver.cuMemcpyDtoH(Pointer.to(host.asByteBuffer()), y, host.byteSize());
    }

    @Override
    public void close() {
        JCublas2.cublasDestroy(handle);
        JCudaDriver.cuMemFree(x);
        JCudaDriver.cuMemFree(w);
        JCudaDriver.cuMemFree(y);
    }
}
