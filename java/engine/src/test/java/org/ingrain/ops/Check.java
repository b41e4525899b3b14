package org.ingrain.ops;

import java.util.function.Consumer;

/**
 * A comparison of one op with its reference: passes on a correct library, throws an AssertionError on a wrong one.
 *
 * @param op      name of the tested op in the header
 * @param variant distinguishes this check from others of the op
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
