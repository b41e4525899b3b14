package org.ingrain.ops;

import java.util.function.Consumer;

/**
 * A comparison of one op with its reference. It throws an AssertionError if the op is wrong.
 *
 * @param op      name of the tested op, as in ingrain.h but without the prefix ingrain_
 * @param variant distinguishes this check from the other checks of the op
 * @param body    the check
 */
record Check(String op, String variant, Consumer<ParityCheck> body) {
    void run(TestTarget target) {
        try (ParityCheck lab = target.open(toString())) {
            body.accept(lab);
            lab.assertGuards();
        }
    }

    @Override
    public String toString() {
        return variant.isEmpty() ? op : op + " " + variant;
    }
}
