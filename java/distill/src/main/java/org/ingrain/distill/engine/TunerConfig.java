package org.ingrain.distill.engine;

import org.ingrain.train.LoraConfig;
import org.ingrain.train.OptimizerConfig;
import org.ingrain.train.TrainConfig;

/** How students are trained; part of the run's settings. */
public record TunerConfig(LoraConfig lora, OptimizerConfig optimizer, TrainConfig train) {
}
