package org.ingrain.train.run;

import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.files.Manifest;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.data.TrainingData;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;

/**
 * Data, settings and output folder of a training run.
 *
 * @param output     the run's folder: a new folder, or the folder of an interrupted run with the same settings
 * @param provenance all other values on which the result depends, by name: model fingerprint, backend, instruction set
 *                   and version. The folder stores these values; a resumed run must have the same values
 */
public record TrainingRun(Path output, TrainingData data, OptimizerConfig optimizer, TrainConfig train,
        SortedMap<String, String> provenance) {
    /** All settings on which the run's files depend. */
    private record Settings(SortedMap<String, String> provenance, String data, int packing, String trained,
            LoraConfig lora, OptimizerConfig optimizer, TrainConfig train) {
    }

    public TrainingRun {
        provenance = Collections.unmodifiableSortedMap(new TreeMap<>(provenance));
    }

    /**
     * The manifest of the run's folder.
     *
     * @param trained kind of training: lora (an adapter), full (all weights) or fresh (a new model)
     * @param lora    shape of the adapter, or null if no adapter is trained
     */
    public Manifest manifest(String trained, LoraConfig lora) {
        return Manifest.of(Map.of(), new Settings(provenance, data.fingerprint(), data.packTo(), trained, lora,
                optimizer, train));
    }
}
