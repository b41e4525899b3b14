package org.ingrain.kit;

import java.io.IOException;
import org.junit.jupiter.api.Test;

/**
 * A class of tests whose process is killed, for dry runs of benchmarks/gpu/call: the rows of other classes must not be
 * lost by it.
 */
class EndsItself {
    @Test
    void byAKill() throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-9", String.valueOf(ProcessHandle.current().pid())).start().waitFor();
        Thread.sleep(10_000);
    }
}
