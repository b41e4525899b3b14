package org.ingrain.kit;

import java.io.IOException;
import org.junit.jupiter.api.Test;

/**
 * A test class that kills its own process. Dry runs of benchmarks/gpu/call use it to check that the results of the
 * other classes are not lost.
 */
class EndsItself {
    @Test
    void byAKill() throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-9", String.valueOf(ProcessHandle.current().pid())).start().waitFor();
        Thread.sleep(10_000);
    }
}
