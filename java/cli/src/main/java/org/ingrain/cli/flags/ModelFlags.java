package org.ingrain.cli.flags;

import java.nio.file.Path;
import org.ingrain.engine.ModelOptions;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which model, and where it runs. */
public final class ModelFlags {
    @Option(names = "--model", required = true, paramLabel = "DIR",
            description = "Hugging Face folder of a Llama, Mistral, Qwen2 or Qwen3 model.")
    public Path model;

    @Mixin
    DeviceFlags device;

    @Option(names = "--deterministic",
            description = "On a GPU, results that do not depend on what else is in the batch; slower.")
    private boolean deterministic;

    @Mixin
    private KernelFlags kernels;

    @Option(names = "--dtype", defaultValue = "auto", paramLabel = "TYPE",
            description = "Weights: auto (as the checkpoint; F16 becomes BF16), f32, bf16, or fp8 on a GPU.")
    String dtype;

    @Option(names = "--cache-dtype", defaultValue = "auto", paramLabel = "TYPE",
            description =
                    "Keys and values: auto (as the weights, beside fp8 weights bf16), f32, bf16, or fp8 on a GPU.")
    String cacheDtype;

    public ModelOptions options() {
        device.loadLibraries();
        return new ModelOptions(model, device.device, device.threads, device.isa, dtype, cacheDtype, deterministic,
                kernels.files(), false, 0, device.parallel());
    }
}
