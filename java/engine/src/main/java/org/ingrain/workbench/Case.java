package org.ingrain.workbench;

import java.util.List;
import java.util.Map;
import org.ingrain.tensor.DType;

/**
 * An op to run at one shape.
 *
 * @param op      name of the op in the header
 * @param letters names of the sizes as in the header's comment, followed by names of options; the size of an option
 *                is 0 if the option is off
 * @param sizes   the sizes, in the order of {@code letters}
 * @param dtype   dtype of the activations
 * @param maker   draws the inputs and creates the call
 */
record Case(String op, List<String> letters, int[] sizes, DType dtype, Maker maker) {
    /** Creates the call of a case on a side. */
    interface Maker {
        Call on(Side side, Case at);
    }

    /** The size with this letter, such as T. */
    int get(String letter) {
        return sizes[letters.indexOf(letter)];
    }

    /** Whether an option is on. */
    boolean has(String option) {
        return get(option) != 0;
    }

    /** A copy of this case with the given sizes. Letters that this case does not have are ignored. */
    Case with(Map<String, Integer> other) {
        int[] changed = sizes.clone();
        for (int i = 0; i < changed.length; i++) {
            changed[i] = other.getOrDefault(letters.get(i), changed[i]);
        }
        return new Case(op, letters, changed, dtype, maker);
    }

    Call on(Side side) {
        return maker.on(side, this);
    }

    /** The sizes and the dtype, such as "T 7 D 127 F32". */
    String shape() {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < sizes.length; i++) {
            text.append(letters.get(i)).append(' ').append(sizes[i]).append(' ');
        }
        return text.append(dtype).toString();
    }
}
