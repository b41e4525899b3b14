package org.ingrain.files;

import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.ingrain.tensor.InputException;

/**
 * A user's regular expression, in the syntax of {@link Pattern}. Java's matcher can need exponential time. Therefore a
 * search fails if it reads too many characters. The limit depends on the length of the text, but not on the machine or
 * its load.
 */
public final class BoundedRegex {
    /** A search may read this number of characters plus {@link #STEPS_PER_CHARACTER} for each character of the text. */
    private static final long STEPS = 50_000_000;
    /** Replaces STEPS for names. This limit is smaller, because an expression is matched with every module's name. */
    private static final long STEPS_OF_NAME = 500_000;
    private static final long STEPS_PER_CHARACTER = 1000;

    private final Pattern pattern;

    private BoundedRegex(Pattern pattern) {
        this.pattern = pattern;
    }

    /**
     * Compiles an expression.
     *
     * @param field name of the field with the expression, for error messages
     */
    public static BoundedRegex compile(String field, String regex) {
        try {
            return new BoundedRegex(Pattern.compile(regex));
        } catch (PatternSyntaxException e) {
            throw new InputException(field + ": " + regex + ", expected a regular expression: " + e.getDescription()
                    + (e.getIndex() < 0 ? "" : " at character " + (e.getIndex() + 1)), e);
        }
    }

    /** Number of groups of the expression. */
    public int groups() {
        return pattern.matcher("").groupCount();
    }

    /**
     * The text of a group in the first match that contains this group, or in the last one if {@code last} is true;
     * empty if there is no such match.
     *
     * @throws InputException if the search needs too many steps or recurses too deeply
     */
    public Optional<String> find(String text, int group, boolean last) {
        return bounded(text, STEPS, matcher -> {
            String found = null;
            while ((last || found == null) && matcher.find()) {
                found = matcher.group(group) == null ? found : matcher.group(group);
            }
            return Optional.ofNullable(found);
        });
    }

    /**
     * Whether the expression matches a whole name, such as the path of a module.
     *
     * @throws InputException if the search needs too many steps or recurses too deeply
     */
    public boolean matches(String name) {
        return bounded(name, STEPS_OF_NAME, Matcher::matches);
    }

    private <T> T bounded(String text, long steps, Function<Matcher, T> search) {
        try {
            long most = steps + STEPS_PER_CHARACTER * text.length();
            return search.apply(pattern.matcher(new Counted(text, new long[] {most})));
        } catch (TooManySteps | StackOverflowError e) {
            throw new InputException("the regular expression " + pattern + " needs too many steps on a text of "
                    + text.length() + " characters, expected one without nested or adjacent repetitions", e);
        }
    }

    private static final class TooManySteps extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    /** A text that counts the characters read from it. Its subsequences share the counter {@code left}. */
    private record Counted(CharSequence text, long[] left) implements CharSequence {
        @Override
        public char charAt(int index) {
            if (--left[0] < 0) {
                throw new TooManySteps();
            }
            return text.charAt(index);
        }

        @Override
        public int length() {
            return text.length();
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return new Counted(text.subSequence(start, end), left);
        }

        @Override
        public String toString() {
            return text.toString();
        }
    }
}
