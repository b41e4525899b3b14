package org.ingrain.ops;

import java.util.function.Consumer;

/**
 * One op held to its reference: passes on a right library, throws an AssertionError on a wrong one.
 *
 * @param op      the header's name of the one op that is tested
 * @param variant what tells this check from the op's others
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
