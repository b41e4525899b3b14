package org.ingrain.tokenizer;

/** Prepares strings for the native tokenizers. */
public final class Texts {
    private Texts() {
    }

    /** Replaces each lone surrogate by U+FFFD, because UTF-8 cannot encode lone surrogates. */
    public static String wellFormed(String text) {
        StringBuilder repaired = null;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                repaired = repaired == null ? new StringBuilder(text) : repaired;
                repaired.setCharAt(i, '\uFFFD');
            }
        }
        return repaired == null ? text : repaired.toString();
    }
}
