package org.ingrain.spark;

import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.ingrain.distill.engine.Cluster;
import org.ingrain.distill.engine.EngineSetup;
import org.ingrain.distill.model.Answerer;
import org.ingrain.tensor.InputException;

/** Connects to Spark 4. The program does not contain Spark's classes, because spark-submit provides them. */
public final class SparkCluster implements Cluster {
    @Override
    public String name() {
        return "spark";
    }

    @Override
    public Answerer connect(EngineSetup setup) {
        try {
            return new SparkAnswerer(new JavaSparkContext(SparkAnswerer.settings(new SparkConf())), setup);
        } catch (NoClassDefFoundError e) {
            throw new InputException("cluster spark: " + e.getMessage().replace('/', '.')
                    + " is not on the class path, expected a start by spark-submit", e);
        }
    }
}
