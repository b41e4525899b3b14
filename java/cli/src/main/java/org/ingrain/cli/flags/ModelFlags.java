package org.ingrain.cli.flags;

import java.nio.file.Path;
import java.util.Optional;
import org.ingrain.engine.ModelOptions;
import org.ingrain.engine.WeightsOptions;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Flags for the model and for the device on which the model runs. */
@Heading.Under(Heading.MODEL)
public final class ModelFlags {
    @Option(names = "--model", required = true, paramLabel = "DIR",
            description = "Hugging Face folder of a Llama, Mistral, Qwen2 or Qwen3 model.")
    public Path model;

    @Mixin
    DeviceFlags device;

    @Heading.Under(Heading.DEVICE)
    @Option(names = "--deterministic",
            description = "On a GPU: results that do not depend on the rest of the batch (slower).")
    private boolean deterministic;

    @Mixin
    private KernelFlags kernels;

    @Option(names = "--dtype", defaultValue = "auto", paramLabel = "TYPE",
            description = "Type of the weights: f32, bf16, fp8 (GPU only), int8, int4, or auto: that of the "
            + "checkpoint, with F16 converted to BF16 (default: ${DEFAULT-VALUE}).")
    String dtype;

    @Option(names = "--cache-dtype", defaultValue = "auto", paramLabel = "TYPE",
            description = "Type of the key-value cache: f32, bf16, fp8 (GPU only), or auto: that of the "
            + "weights, bf16 for fp8, int8 and int4 weights (default: ${DEFAULT-VALUE}).")
    String cacheDtype;

    @Option(names = "--weights-cache", paramLabel = "DIR",
            description = "CPU only: folder for packed weights, which need about as much space as the model. The first "
            + "start writes them; later starts map them instead of loading the model (default: none).")
    Path weightsCache;

    public ModelOptions options() {
        device.loadLibraries();
        return new ModelOptions(model, device.device, device.threads, device.isa, dtype, cacheDtype, deterministic,
                kernels.files(), weightsCache == null ? WeightsOptions.LOADED : WeightsOptions.cached(weightsCache),
                device.parallel(), Optional.empty());
    }
}
