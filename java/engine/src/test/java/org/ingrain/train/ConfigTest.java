package org.ingrain.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.EnumSet;
import org.ingrain.model.Projection;
import org.ingrain.tensor.InputException;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.ingrain.train.pass.Schedule;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** The constructors of settings refuse invalid values; the message names the field. */
class ConfigTest {
    private static void refused(String field, Executable made) {
        InputException refused = assertThrows(InputException.class, made);
        String message = refused.getMessage();
        assertEquals(field, refused.field());
        assertTrue(message.startsWith(field + ": ") && message.contains(", expected ") && !message.contains("\n"),
                message);
    }

    @Test
    void loraConfigNamesItsFields() {
        refused("rank", () -> LoraConfig.of(0, 16));
        refused("alpha", () -> LoraConfig.of(4, Double.NaN));
        refused("dropout", () -> new LoraConfig(4, 8, 1, LoraConfig.ALL_LINEAR, false));
        refused("targetModules", () -> new LoraConfig(4, 8, 0, EnumSet.noneOf(Projection.class), false));
    }

    @Test
    void scalingFollowsRslora() {
        assertEquals(2f, LoraConfig.of(16, 32).scaling());
        assertEquals(8f, new LoraConfig(16, 32, 0, LoraConfig.ALL_LINEAR, true).scaling());
    }

    @Test
    void optimizerConfigNamesItsFields() {
        refused("learningRate", () -> OptimizerConfig.of(-1));
        refused("beta1", () -> new OptimizerConfig(1e-4, 1, 0.999, 1e-8, 0, 1, Schedule.LINEAR, 0, 0));
        refused("beta2", () -> new OptimizerConfig(1e-4, 0.9, Double.NaN, 1e-8, 0, 1, Schedule.LINEAR, 0, 0));
        refused("eps", () -> new OptimizerConfig(1e-4, 0.9, 0.999, 0, 0, 1, Schedule.LINEAR, 0, 0));
        refused("weightDecay", () -> new OptimizerConfig(1e-4, 0.9, 0.999, 1e-8, -0.1, 1, Schedule.LINEAR, 0, 0));
        refused("maxGradNorm", () -> new OptimizerConfig(1e-4, 0.9, 0.999, 1e-8, 0, -1, Schedule.LINEAR, 0, 0));
        refused("warmupSteps", () -> new OptimizerConfig(1e-4, 0.9, 0.999, 1e-8, 0, 1, Schedule.LINEAR, -1, 0));
        refused("minLearningRateRatio", () -> new OptimizerConfig(1e-4, 0.9, 0.999, 1e-8, 0, 1, Schedule.LINEAR, 0, 2));
    }

    @Test
    void trainConfigNamesItsFields() {
        refused("epochs", () -> TrainConfig.of(0, 1, 0));
        refused("batchSize", () -> TrainConfig.of(1, 0, 0));
        refused("maxSteps", () -> new TrainConfig(1, -1, 1, 1, 0, 0, 0, 2, false));
        refused("gradientAccumulation", () -> new TrainConfig(1, 0, 1, 0, 0, 0, 0, 2, false));
        refused("evalEvery", () -> new TrainConfig(1, 0, 1, 1, 0, -1, 0, 2, false));
        refused("checkpointEvery", () -> new TrainConfig(1, 0, 1, 1, 0, 0, -1, 2, false));
        refused("keepCheckpoints", () -> new TrainConfig(1, 0, 1, 1, 0, 0, 0, 0, false));
    }
}
