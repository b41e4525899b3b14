package org.ingrain.kit;

import org.junit.jupiter.api.Test;

/**
 * A test class that never ends. Dry runs of benchmarks/gpu/call run this class. They check that it is stopped, and that
 * its row in the output names the test that hung.
 */
class Hangs {
    @Test
    void forEver() {
        while (true) {
            Thread.onSpinWait();
        }
    }
}
