package org.ingrain.distill.engine;

import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;

/** How students are trained; part of the run's settings. */
public record TunerConfig(LoraConfig lora, OptimizerConfig optimizer, TrainConfig train) {
}
