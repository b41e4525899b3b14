package org.ingrain.kit;

import org.junit.jupiter.api.Test;

/**
 * A test class that never ends. Dry runs of benchmarks/gpu/call use it to check that such a class is stopped and that
 * its row names the place where it was.
 */
class Hangs {
    @Test
    void forEver() {
        while (true) {
            Thread.onSpinWait();
        }
    }
}
