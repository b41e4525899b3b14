package org.ingrain.cli;

import java.util.Arrays;
import org.ingrain.tensor.InputException;

/** Parses token ids that are written as numbers separated by spaces or commas. */
final class TokenIds {
    private TokenIds() {
    }

    static int[] parse(String line) {
        try {
            return Arrays.stream(line.strip().split("[\\s,]+")).filter(word -> !word.isEmpty())
                    .mapToInt(Integer::parseInt).toArray();
        } catch (NumberFormatException e) {
            throw new InputException("token ids: '" + line + "', expected numbers separated by spaces");
        }
    }
}
