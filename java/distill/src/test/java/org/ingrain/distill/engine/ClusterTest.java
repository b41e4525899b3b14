package org.ingrain.distill.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ingrain.distill.model.Answerer;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ClusterTest {
    /** A cluster that ServiceLoader finds, because the test writes a service file that names this class. */
    public static final class Found implements Cluster {
        @Override
        public String name() {
            return "found";
        }

        @Override
        public Answerer connect(EngineSetup setup) {
            throw new IllegalStateException("not used");
        }
    }

    @Test
    void aClusterIsFoundOnTheClassPathOnly(@TempDir Path folder) throws Exception {
        assertEquals("cluster: 'found', expected a jar with a cluster on the class path, such as ingrain-spark.jar "
                + "under spark-submit", refusal());
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(services.resolve(Cluster.class.getName()), Found.class.getName());
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        try (URLClassLoader loader = new URLClassLoader(new URL[] {folder.toUri().toURL()}, before)) {
            thread.setContextClassLoader(loader);
            assertEquals(Found.class, Cluster.named("found").getClass());
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    private static String refusal() {
        return assertThrows(InputException.class, () -> Cluster.named("found")).getMessage();
    }
}
