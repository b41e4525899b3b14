package org.ingrain.train.run;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ingrain.checkpoint.AdapterConfig;
import org.ingrain.checkpoint.PeftAdapter;
import org.ingrain.model.Projection;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.LoraParameters;

/** Writes the trained adapter in PEFT's format. */
public final class AdapterExport implements Export {
    private final List<LoraParameters> ranks;
    private final AdapterConfig config;

    /** @param ranks the parameters of all ranks of one replica; each rank has a shard of the adapter */
    public AdapterExport(List<LoraParameters> ranks, LoraConfig lora, String baseModel) {
        this.ranks = ranks;
        config = AdapterConfig.of(baseModel, lora.rank(), lora.alpha(), lora.dropout(),
                lora.targetModules().stream().map(Projection::target).toList()).withRslora(lora.rslora())
                .withLoraBias(lora.loraBias());
    }

    @Override
    public String name() {
        return "adapter";
    }

    @Override
    public void write(Path folder) {
        new PeftAdapter(config, LoraParameters.modules(ranks), Map.of()).write(folder);
    }

    @Override
    public boolean inCheckpoints() {
        return true;
    }
}
