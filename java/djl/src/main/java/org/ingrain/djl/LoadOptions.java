package org.ingrain.djl;

import ai.djl.Device;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.engine.ParallelConfig;
import org.ingrain.engine.WeightsOptions;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;

/**
 * The options of a model, which {@code Criteria.optOption} sets. An option has the name of a field of {@link
 * ModelOptions}, {@link ParallelConfig}, {@link GeneratorConfig} or {@link SamplingParams}. The options for the fields
 * of SamplingParams apply to inputs without sampling parameters. The value of the option {@code adapter.NAME} is the
 * folder of an adapter. DJL's option {@code modelName} is ignored. Any other option is refused.
 */
final class LoadOptions {
    /** Prefix of the options for adapters. */
    static final String ADAPTER = "adapter.";
    private static final String DEVICE = "device";
    private static final String DJL_NAME = "modelName";
    private static final int MAX_TOKENS = 256;
    private static final Set<String> NAMES = Set.of(DEVICE, "threads", "isa", "dtype", "cacheDtype", "deterministic",
            "tensorParallelSize", "dataParallelSize", "enableThinking", "contextLength", "maxSequences",
            "maxBatchTokens", "cacheTokens", "prefixCache", "temperature", "topK", "topP", "maxTokens", "seed",
            "ignoreEos");

    private final Map<String, String> values = new TreeMap<>();
    private final Map<String, Path> adapters = new TreeMap<>();
    private final ModelOptions model;
    private final SamplingParams params;

    private LoadOptions(Path folder, Device device, Map<String, ?> options) {
        options.forEach((name, value) -> {
            if (isAdapter(name)) {
                adapters.put(name.substring(ADAPTER.length()), Path.of(String.valueOf(value)));
            } else if (isOption(name)) {
                values.put(name, String.valueOf(value));
            } else if (!name.equals(DJL_NAME)) {
                throw InputException.field(name, "no such option, expected one of "
                        + String.join(", ", new TreeSet<>(NAMES)) + " or " + ADAPTER + "NAME");
            }
        });
        model = model(folder, device);
        params = SamplingParams.sampled(number("temperature", 0), number("topP", 1), integer("maxTokens", MAX_TOKENS),
                whole("seed", 0)).withTopK(integer("topK", 0)).withIgnoreEos(flag("ignoreEos", false));
    }

    /**
     * Reads options.
     *
     * @param folder the model
     * @param device the device that the program selected; null if the option {@code device} may select one
     * @throws InputException if an option is unknown or has a value that is refused
     */
    static LoadOptions parse(Path folder, Device device, Map<String, ?> options) {
        return new LoadOptions(folder, device, options);
    }

    /** Whether {@link #parse} accepts an option with this name. */
    static boolean isOption(String name) {
        return NAMES.contains(name) || isAdapter(name);
    }

    private static boolean isAdapter(String name) {
        return name.startsWith(ADAPTER) && name.length() > ADAPTER.length();
    }

    private ModelOptions model(Path folder, Device device) {
        String name = text(DEVICE, device == null ? "cpu" : IngrainEngine.name(device));
        if (device != null && !name.equals(IngrainEngine.name(device))) {
            throw InputException.field(DEVICE, "'" + name + "', but the model was created for " + device
                    + ", expected the same device");
        }
        ModelOptions options = new ModelOptions(folder, name, integer("threads", 0), text("isa", "auto"),
                text("dtype", "auto"), text("cacheDtype", "auto"), flag("deterministic", false),
                ModelOptions.of(folder).kernels(), WeightsOptions.LOADED,
                new ParallelConfig(integer("tensorParallelSize", 0), integer("dataParallelSize", 0)), Optional.empty());
        return values.containsKey("enableThinking") ? options.withEnableThinking(flag("enableThinking", false))
                : options;
    }

    /** The settings of the generator. A setting that the options do not contain has the engine's default. */
    GeneratorConfig config(Engine engine) {
        GeneratorConfig defaults = engine.defaults();
        int sequences = integer("maxSequences", defaults.maxSequences());
        GeneratorConfig config = GeneratorConfig.of(integer("contextLength", defaults.contextLength()), sequences,
                integer("maxBatchTokens", Math.max(defaults.maxBatchTokens(), sequences)))
                .withPrefixCache(flag("prefixCache", defaults.prefixCache()));
        return config.withCacheTokens(whole("cacheTokens", config.cacheTokens()));
    }

    ModelOptions model() {
        return model;
    }

    /** The sampling parameters for inputs that do not set their own. */
    SamplingParams params() {
        return params;
    }

    /** Folders of adapters, by name. */
    Map<String, Path> adapters() {
        return adapters;
    }

    /** The model's first device as DJL's type. For an emulated GPU, this is the CPU. */
    Device device() {
        return model.backend().equals("cuda") ? Device.gpu(model.devices().getFirst()) : Device.cpu();
    }

    private String text(String name, String otherwise) {
        return values.getOrDefault(name, otherwise);
    }

    private int integer(String name, int otherwise) {
        return value(name, otherwise, Integer::valueOf, "an integer");
    }

    private long whole(String name, long otherwise) {
        return value(name, otherwise, Long::valueOf, "an integer");
    }

    private double number(String name, double otherwise) {
        return value(name, otherwise, Double::valueOf, "a number");
    }

    private boolean flag(String name, boolean otherwise) {
        return value(name, otherwise, text -> switch (text) {
            case "true" -> true;
            case "false" -> false;
            default -> throw new NumberFormatException();
        }, "true or false");
    }

    private <T> T value(String name, T otherwise, Function<String, T> parse, String expected) {
        String text = values.get(name);
        try {
            return text == null ? otherwise : parse.apply(text);
        } catch (NumberFormatException e) {
            throw InputException.field(name, "'" + text + "', expected " + expected);
        }
    }
}
