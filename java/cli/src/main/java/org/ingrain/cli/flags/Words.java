package org.ingrain.cli.flags;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.ingrain.tensor.InputException;

/**
 * Converts words of the command line to enum constants. A word is the name of its constant in lower case, with hyphens.
 */
public final class Words {
    private Words() {
    }

    public static <E extends Enum<E>> E choose(String flag, String word, Class<E> type) {
        return Arrays.stream(type.getEnumConstants()).filter(constant -> word(constant).equals(word)).findFirst()
                .orElseThrow(() -> new InputException(flag + ": '" + word + "', expected one of "
                        + String.join(", ", all(type))));
    }

    /** The words of all constants. */
    static <E extends Enum<E>> List<String> all(Class<E> type) {
        return Arrays.stream(type.getEnumConstants()).map(Words::word).toList();
    }

    private static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
