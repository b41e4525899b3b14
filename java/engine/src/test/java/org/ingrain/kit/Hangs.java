package org.ingrain.kit;

import org.junit.jupiter.api.Test;

/**
 * A class of tests that never ends, for dry runs of benchmarks/gpu/call: it is ended, and its row says where it was.
 */
class Hangs {
    @Test
    void forEver() {
        while (true) {
            Thread.onSpinWait();
        }
    }
}
