package org.ingrain.spark;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;
import org.apache.spark.resource.ResourceInformation;

/**
 * Passes the GPUs and cores of an executor to its engine, which all tasks of the executor share. A task could not do
 * this, because it knows only the GPUs that it requested, and the executor may have more. The engine is closed when the
 * executor ends.
 */
public final class EnginePlugin implements SparkPlugin {
    @Override
    public DriverPlugin driverPlugin() {
        return null;
    }

    /**
     * The name of this machine. {@code PluginContext.hostname} fails in executors, because they run no server (Spark
     * 4.2.0).
     */
    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "a host without a name";
        }
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new ExecutorPlugin() {
            @Override
            public void init(PluginContext context, Map<String, String> settings) {
                ResourceInformation gpus = context.resources().get("gpu");
                ExecutorEngine.EXECUTOR.start(new Place(context.executorID(), host(),
                        gpus == null ? List.of() : List.of(gpus.addresses()),
                        context.conf().getInt("spark.executor.cores", 0)));
            }

            @Override
            public void shutdown() {
                ExecutorEngine.EXECUTOR.stop();
            }
        };
    }
}
