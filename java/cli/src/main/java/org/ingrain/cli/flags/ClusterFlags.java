package org.ingrain.cli.flags;

import org.ingrain.distill.engine.Cluster;
import org.ingrain.distill.engine.EngineAnswerer;
import org.ingrain.distill.engine.EngineSetup;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.LazyAnswerer;
import org.ingrain.engine.Engine;
import org.ingrain.model.AdapterBank;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Option;

/** The flag for a cluster that generates answers in place of this machine. */
@Heading.Under(Heading.DEVICE)
public final class ClusterFlags {
    @Option(names = "--cluster", paramLabel = "NAME",
            description = "Cluster that samples and evaluates. The only value is spark, which requires that "
            + "spark-submit starts the command with ingrain-spark.jar. Training stays on this machine (default: "
            + "none).")
    String cluster;

    /** Throws the error that {@link #answerer} would throw for an unknown cluster. */
    public void check() {
        if (cluster != null) {
            Cluster.named(cluster);
        }
    }

    public boolean given() {
        return cluster != null;
    }

    /** Refuses a cluster for a command that only measures this machine. */
    public void requireNone(String flag) {
        if (cluster != null) {
            throw InputException.field("cluster", "'" + cluster + "' with " + flag
                    + ", expected none: the estimate is for this machine");
        }
    }

    /**
     * Returns an answerer with the given sizes that uses the cluster or the engine of this machine. It connects to the
     * cluster, or loads the weights, when the first text is needed.
     */
    public Answerer answerer(Engine engine, GeneratorConfig sizes, AdapterBank.Limits adapters) {
        return new LazyAnswerer(() -> cluster == null
                ? new EngineAnswerer(engine, engine.generator(sizes, adapters))
                : Cluster.named(cluster).connect(EngineSetup.of(engine, sizes, adapters)));
    }
}
