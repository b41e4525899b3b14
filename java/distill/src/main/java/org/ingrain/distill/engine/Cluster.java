package org.ingrain.distill.engine;

import java.util.List;
import java.util.ServiceLoader;
import java.util.ServiceLoader.Provider;
import org.ingrain.distill.model.Answerer;
import org.ingrain.tensor.InputException;

/** A cluster of machines that answer the requests of a run. {@link ServiceLoader} finds the implementations. */
public interface Cluster {
    /** Name of the cluster in settings. */
    String name();

    /**
     * Connects to the cluster. The cluster's machines open their engines when the first requests arrive. The model
     * folder and the adapter folders must have the same paths on these machines. The cluster generates the same texts
     * as an engine of this process.
     *
     * @return an answerer that uses the cluster until it is closed
     * @throws InputException if the cluster's libraries are missing
     */
    Answerer connect(EngineSetup setup);

    /**
     * Finds a cluster by name.
     *
     * @throws InputException if the class path has no implementation of this cluster
     */
    static Cluster named(String name) {
        List<Cluster> found = ServiceLoader.load(Cluster.class).stream().map(Provider::get).toList();
        return found.stream().filter(cluster -> cluster.name().equals(name)).findFirst()
                .orElseThrow(() -> InputException.field("cluster", "'" + name + "', expected "
                        + (found.isEmpty() ? "a jar with a cluster on the class path, such as ingrain-spark.jar under "
                        + "spark-submit" : "one of " + found.stream().map(Cluster::name).sorted().toList())));
    }
}
