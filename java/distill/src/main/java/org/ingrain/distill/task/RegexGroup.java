package org.ingrain.distill.task;

import java.util.Optional;
import org.ingrain.files.BoundedRegex;
import org.ingrain.tensor.InputException;

/** Finds the source of one group in a regular expression. */
final class RegexGroup {
    private RegexGroup() {
    }

    /**
     * Returns an expression that matches a text if the whole text matches the group; case is ignored. The text may also
     * have spaces around the match and a full stop after it. Group 1 of the returned expression is the group. The
     * result is empty if the group cannot be compiled alone, for example because it refers to another group.
     */
    static Optional<BoundedRegex> alone(String regex, int group) {
        int seen = 0;
        for (int i = 0; i < regex.length(); i = next(regex, i)) {
            if (regex.charAt(i) == '(' && captures(regex, i) && ++seen == group) {
                String source = regex.substring(i, closing(regex, i) + 1).replaceFirst("^\\(\\?<\\w+>", "(");
                try {
                    return Optional.of(BoundedRegex.compile("answer.regex",
                            "(?i)\\A\\s*" + source + "\\s*[.]?\\s*\\z"));
                } catch (InputException dependent) {
                    return Optional.empty();
                }
            }
        }
        return Optional.empty();
    }

    private static boolean captures(String regex, int open) {
        return !regex.startsWith("(?", open) || regex.startsWith("(?<", open)
                && !regex.startsWith("(?<=", open) && !regex.startsWith("(?<!", open);
    }

    /** Position of the bracket that closes the group that opens at {@code open}. */
    private static int closing(String regex, int open) {
        int depth = 0;
        for (int i = open; i < regex.length(); i = next(regex, i)) {
            depth += regex.charAt(i) == '(' ? 1 : regex.charAt(i) == ')' ? -1 : 0;
            if (depth == 0) {
                return i;
            }
        }
        return regex.length() - 1;
    }

    /** Position after the element at {@code i}: a plain or escaped character, a quoted text or a character class. */
    private static int next(String regex, int i) {
        if (regex.startsWith("\\Q", i)) {
            int end = regex.indexOf("\\E", i);
            return end < 0 ? regex.length() : end + 2;
        }
        if (regex.charAt(i) == '\\') {
            return i + 2;
        }
        if (regex.charAt(i) != '[') {
            return i + 1;
        }
        int end = regex.startsWith("^", i + 1) ? i + 2 : i + 1;
        end = regex.startsWith("]", end) ? end + 1 : end;
        while (end < regex.length() && regex.charAt(end) != ']') {
            end = next(regex, end);
        }
        return end + 1;
    }
}
