package org.ingrain.engine;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.IntStream;
import org.ingrain.checkpoint.BlueprintReader;
import org.ingrain.checkpoint.ModelFolder;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Precision;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Require;
import org.ingrain.workbench.KernelFile;

/**
 * The model, its devices and its dtypes.
 *
 * @param model         Hugging Face folder; if the weights are random, a config file in the format of config.json is
 *                      accepted too
 * @param device        cpu, cuda, cuda:N or a list such as cuda:0,1,2,3; for tests also simt, which runs the CUDA
 *                      sources on emulated GPUs
 * @param threads       CPU threads, 0 for all cores
 * @param isa           CPU instruction set: auto, avx2, avx512, avx512_bf16 or amx
 * @param dtype         dtype of the weights: auto (as in the checkpoint; F16 becomes BF16), f32, bf16, fp8, int8
 *                      or int4
 * @param cacheDtype    dtype of the KV cache: auto (as the weights, but bf16 for fp8 weights), f32, bf16 or fp8
 * @param deterministic whether a row's results are independent of the other rows in the batch. This is slower on a GPU.
 *                      On the CPU the results are always independent
 * @param kernels       kernels that replace ops of the backend
 * @param weights       where the weights come from
 * @param parallel      number of copies of the model and number of ranks per copy
 * @param enableThinking value of the chat template's variable {@code enable_thinking} (Qwen3); if empty, the variable
 *                       is undefined
 */
public record ModelOptions(Path model, String device, int threads, String isa, String dtype, String cacheDtype,
                           boolean deterministic, List<KernelFile> kernels, WeightsOptions weights,
                           ParallelConfig parallel, Optional<Boolean> enableThinking) {
    private static final List<String> CACHE_DTYPES = List.of("auto", "f32", "bf16", "fp8");
    private static final List<String> DTYPES = List.of("auto", "f32", "bf16", "fp8", "int8", "int4");

    public ModelOptions {
        kernels = List.copyOf(kernels);
        if (!device.matches("cpu|(simt|cuda)(:\\d{1,3}(,\\d{1,3})*)?")) {
            throw InputException.field("device", "'" + device + "', expected cpu, cuda, cuda:N or a list such as "
                    + "cuda:0,1,2,3");
        }
        parse(DTYPES, "dtype", dtype);
        parse(CACHE_DTYPES, "cacheDtype", cacheDtype);
        if (weights.cache().isPresent() && !device.equals("cpu")) {
            throw InputException.field("weightsCache", "given with the device " + device + ", expected the device cpu");
        }
    }

    /** Options for a model folder on all cores of the CPU, with the dtypes of the checkpoint. */
    public static ModelOptions of(Path model) {
        return new ModelOptions(model, "cpu", 0, "auto", "auto", "auto", false, List.of(),
                WeightsOptions.LOADED, ParallelConfig.AUTO, Optional.empty());
    }

    /** A copy of these options for another model. */
    public ModelOptions withModel(Path other) {
        return new ModelOptions(other, device, threads, isa, dtype, cacheDtype, deterministic, kernels,
                weights, parallel, enableThinking);
    }

    public ModelOptions withDevice(String other) {
        return new ModelOptions(model, other, threads, isa, dtype, cacheDtype, deterministic, kernels,
                weights, parallel, enableThinking);
    }

    public ModelOptions withThreads(int other) {
        return new ModelOptions(model, device, other, isa, dtype, cacheDtype, deterministic, kernels,
                weights, parallel, enableThinking);
    }

    public ModelOptions withIsa(String other) {
        return new ModelOptions(model, device, threads, other, dtype, cacheDtype, deterministic, kernels,
                weights, parallel, enableThinking);
    }

    public ModelOptions withDtype(String other) {
        return new ModelOptions(model, device, threads, isa, other, cacheDtype, deterministic, kernels,
                weights, parallel, enableThinking);
    }

    /**
     * A copy of these options with random weights for the first {@code count} layers, or for all layers if {@code
     * count} is 0.
     */
    public ModelOptions withRandomWeights(int count) {
        return new ModelOptions(model, device, threads, isa, dtype, cacheDtype, deterministic, kernels,
                weights.withRandom(count), parallel, enableThinking);
    }

    /** A copy of these options that keeps packed weights in this folder. */
    public ModelOptions withWeightsCache(Path folder) {
        return new ModelOptions(model, device, threads, isa, dtype, cacheDtype, deterministic, kernels,
                WeightsOptions.cached(folder), parallel, enableThinking);
    }

    /** Whether the weights are random instead of those of the folder. */
    public boolean randomWeights() {
        return weights.random();
    }

    /** Number of layers of random weights; 0 for all layers of the config. */
    public int layers() {
        return weights.layers();
    }

    /**
     * A copy with another setting of {@code deterministic}. If true, a GPU adds terms in an order that depends neither
     * on the other rows nor on the number of ranks.
     */
    public ModelOptions withDeterministic(boolean other) {
        return new ModelOptions(model, device, threads, isa, dtype, cacheDtype, other, kernels, weights,
                parallel, enableThinking);
    }

    /** A copy of these options with a value for the chat template's variable {@code enable_thinking}. */
    public ModelOptions withEnableThinking(boolean on) {
        return new ModelOptions(model, device, threads, isa, dtype, cacheDtype, deterministic, kernels,
                weights, parallel, Optional.of(on));
    }

    public ModelOptions withParallel(ParallelConfig other) {
        return new ModelOptions(model, device, threads, isa, dtype, cacheDtype, deterministic, kernels,
                weights, other, enableThinking);
    }

    /** The configuration from the model folder or the config file, with the number of layers of these options. */
    Blueprint blueprint() {
        if (!Files.exists(model)) {
            throw InputException.field("model", model + ": no such folder or config file");
        }
        Blueprint whole = Files.isDirectory(model) ? ModelFolder.readConfig(model) : BlueprintReader.read(model);
        return layers() == 0 ? whole : whole.withLayers(Math.min(layers(), whole.numHiddenLayers()));
    }

    /** The backend's name: cpu, cuda or simt. */
    public String backend() {
        return device.split(":")[0];
    }

    /**
     * Returns the device number of every rank of every copy. If {@code device} lists device numbers, returns this list.
     * Otherwise returns the numbers 0, 1, ... for the number of ranks that {@link #parallel} requires. On the CPU all
     * numbers are 0.
     */
    public List<Integer> devices() {
        if (device.contains(":")) {
            return Arrays.stream(device.split(":")[1].split(",")).map(Integer::valueOf).toList();
        }
        return IntStream.range(0, parallel.devices()).map(i -> backend().equals("cpu") ? 0 : i).boxed().toList();
    }

    /** Options of the context on the first device. */
    public ContextOptions context() {
        return context(0, 1);
    }

    /** Options of the context on the i-th device. The CPU's threads are divided among {@code count} ranks. */
    ContextOptions context(int i, int count) {
        int all = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
        return new ContextOptions(devices().get(i), count == 1 ? threads : Math.max(1, all / count), isa);
    }

    /** The dtypes that these options select for weights that are stored in the given dtype. */
    public Precision precision(Precision.Stored stored) {
        return Precision.of(backend().equals("cpu"), stored, parse(DTYPES, "dtype", dtype),
                parse(CACHE_DTYPES, "cacheDtype", cacheDtype));
    }

    /** Returns the dtype with the name {@code value}, which must be one of {@code names}; null for auto. */
    private static DType parse(List<String> names, String field, String value) {
        String name = value.toLowerCase(Locale.ROOT);
        Require.that(names.contains(name), field, "'" + value + "'", "one of " + String.join(", ", names));
        return switch (name) {
            case "auto" -> null;
            case "fp8" -> DType.F8E4M3;
            default -> DType.valueOf(name.toUpperCase(Locale.ROOT));
        };
    }
}
