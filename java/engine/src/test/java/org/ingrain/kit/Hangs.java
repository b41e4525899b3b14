package org.ingrain.kit;

import org.junit.jupiter.api.Test;

/**
 * A test class that never ends. Dry runs of benchmarks/gpu/call run this class to check that a class that never ends is
 * stopped, and that the class's row in the output names the test that hung.
 */
class Hangs {
    @Test
    void forEver() {
        while (true) {
            Thread.onSpinWait();
        }
    }
}
