package org.ingrain.train.run;

import java.nio.file.Path;
import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.data.TrainingData;
import org.ingrain.train.pass.OptimizerConfig;

/**
 * A training run: what on, how, and where to.
 *
 * @param output     the run's folder, new or one that a killed run with the same settings left
 * @param provenance everything else that the result depends on, by name: model fingerprint, backend, instruction set, version; kept in the
 *                   folder and compared when the run is taken up again
 */
public record TrainingRun(Path output, TrainingData data, OptimizerConfig optimizer, TrainConfig train, SortedMap<String, String> provenance) {
    public TrainingRun {
        provenance = Collections.unmodifiableSortedMap(new TreeMap<>(provenance));
    }
}
