package org.ingrain.checkpoint;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.workbench.KernelFile;

/**
 * Which model, and where it runs.
 *
 * @param model      Hugging Face folder
 * @param device     cpu, cuda or cuda:N
 * @param threads    CPU threads, 0 for all cores
 * @param isa        CPU instruction set: auto, avx2, avx512 or avx512_bf16
 * @param dtype      of the weights: auto (as the checkpoint; F16 becomes BF16), f32 or bf16
 * @param cacheDtype of keys and values: auto (as the weights), f32 or bf16
 * @param kernels    that stand in for the backend's own
 */
public record ModelOptions(Path model, String device, int threads, String isa, String dtype, String cacheDtype, List<KernelFile> kernels) {
    public ModelOptions {
        kernels = List.copyOf(kernels);
        if (!device.matches("cpu|cuda(:\\d{1,3})?")) {
            throw new InputException("--device: '" + device + "', expected cpu, cuda or cuda:N");
        }
        parse("--dtype", dtype);
        parse("--cache-dtype", cacheDtype);
    }

    /** The model on all cores of the CPU, in its own types. */
    public static ModelOptions cpu(Path model) {
        return new ModelOptions(model, "cpu", 0, "auto", "auto", "auto", List.of());
    }

    /** cpu or cuda: the backend's name. */
    public String backend() {
        return device.split(":")[0];
    }

    public ContextOptions context() {
        return new ContextOptions(device.contains(":") ? Integer.parseInt(device.split(":")[1]) : 0, threads, isa);
    }

    /** The wanted type, or {@code otherwise} for auto. */
    public DType weights(DType otherwise) {
        DType wanted = parse("--dtype", dtype);
        return wanted == null ? otherwise : wanted;
    }

    /** The wanted type of the cache, or {@code otherwise} for auto. */
    public DType cache(DType otherwise) {
        DType wanted = parse("--cache-dtype", cacheDtype);
        return wanted == null ? otherwise : wanted;
    }

    private static DType parse(String flag, String value) {
        return switch (value.toLowerCase(Locale.ROOT)) {
            case "auto" -> null;
            case "f32" -> DType.F32;
            case "bf16" -> DType.BF16;
            default -> throw new InputException(flag + ": '" + value + "', expected auto, f32 or bf16");
        };
    }
}
