package org.ingrain.distill.engine;

import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.model.AdapterBank;
import org.ingrain.sample.GeneratorConfig;

/**
 * Everything that another process needs to generate the same texts as an engine of this process.
 *
 * @param options     options of the engine; the model folder is an absolute path
 * @param sizes       settings of the generator
 * @param adapters    limits of the adapters that the requests use
 * @param fingerprint values on which an answer depends, including the hashes of the model's files
 *                    ({@link Engine#modelFingerprint})
 */
public record EngineSetup(ModelOptions options, GeneratorConfig sizes, AdapterBank.Limits adapters,
        SortedMap<String, String> fingerprint) {
    public EngineSetup {
        fingerprint = new TreeMap<>(fingerprint);
    }

    public static EngineSetup of(Engine engine, GeneratorConfig sizes, AdapterBank.Limits adapters) {
        return new EngineSetup(engine.options().withModel(engine.options().model().toAbsolutePath()), sizes, adapters,
                engine.modelFingerprint());
    }
}
