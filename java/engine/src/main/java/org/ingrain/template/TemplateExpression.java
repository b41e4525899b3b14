package org.ingrain.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.tensor.InputException;

/**
 * Rewrites expressions that Jinjava parses differently from Jinja. A slice {@code x[a:b:c]} becomes a call of {@link
 * #SLICE}. The value of a named argument is put in parentheses, because otherwise Jinjava would use only the first
 * operand of the value: {@code f(n=a - 1)} becomes {@code f(n=(a - 1))}. A filter is accepted only if it is known to
 * give the same results as in Jinja. Without this check, Jinjava would render an unknown filter as an empty string.
 */
final class TemplateExpression {
    static final String SLICE = "__slice__";
    static final Set<String> FILTERS = Set.of(
            "capitalize", "count", "d", "default", "first", "int", "items", "join", "last", "length", "list", "lower",
            "map", "reject", "rejectattr", "replace", "reverse", "safe", "select", "selectattr", "string", "tojson",
            "trim", "upper");

    private static final int MAX_LENGTH = 4000;
    private static final int MAX_NESTING = 50;
    private static final Pattern FILTER = Pattern.compile("\\|\\s*(\\w+)");
    private static final Pattern NAMED = Pattern.compile("(\\s*[A-Za-z_]\\w*\\s*=)(?!=)(.*)", Pattern.DOTALL);
    private static final Pattern OPERATOR = Pattern.compile("(?s).*\\b(in|and|or|not|if|else|elif|is|set)");

    private final String text;
    private int at;

    private TemplateExpression(String text) {
        this.text = text;
    }

    static String rewrite(String expression) {
        Matcher filters = FILTER.matcher(withoutQuotes(expression));
        while (filters.find()) {
            if (!FILTERS.contains(filters.group(1))) {
                throw new InputException("filter " + filters.group(1) + " is not supported");
            }
        }
        return String.join("", new TemplateExpression(expression).parts('\0', '\0'));
    }

    /**
     * Checks how deeply an expression is nested, and how long it is without its quoted strings.
     *
     * @throws InputException if Jinjava's recursive parser could need too much time or stack for the expression
     */
    static void requireSize(String expression) {
        String bare = withoutQuotes(expression);
        int depth = 0;
        int deepest = 0;
        for (int i = 0; i < bare.length(); i++) {
            depth += "([{".indexOf(bare.charAt(i)) >= 0 ? 1 : ")]}".indexOf(bare.charAt(i)) >= 0 ? -1 : 0;
            deepest = Math.max(deepest, depth);
        }
        if (bare.length() > MAX_LENGTH || deepest > MAX_NESTING) {
            throw new InputException("an expression has " + bare.length() + " characters and nests " + deepest
                    + " levels deep, expected at most " + MAX_LENGTH + " and " + MAX_NESTING);
        }
    }

    /** The index of the first occurrence of {@code close} outside quotes and brackets; -1 if there is none. */
    static int end(String template, int from, String close) {
        int depth = 0;
        for (int i = from; i + 1 < template.length(); i++) {
            char c = template.charAt(i);
            if (depth == 0 && template.startsWith(close, i)) {
                return i;
            }
            if (c == '\'' || c == '"') {
                i = endOfQuote(template, i) - 1;
            } else if (c == '{' || c == '(' || c == '[') {
                depth++;
            } else if (depth > 0 && (c == '}' || c == ')' || c == ']')) {
                depth--;
            }
        }
        return -1;
    }

    /** The expression without quoted strings and without parts in brackets. */
    static String skeleton(String expression) {
        String before = withoutQuotes(expression);
        String after = before.replaceAll("[(\\[{][^()\\[\\]{}]*[)\\]}]", "");
        return after.equals(before) ? after : skeleton(after);
    }

    private static String withoutQuotes(String expression) {
        StringBuilder left = new StringBuilder();
        for (int i = 0; i < expression.length(); i++) {
            char c = expression.charAt(i);
            if (c == '\'' || c == '"') {
                i = endOfQuote(expression, i) - 1;
            } else {
                left.append(c);
            }
        }
        return left.toString();
    }

    private static int endOfQuote(String text, int begin) {
        int i = begin + 1;
        while (i < text.length() && text.charAt(i) != text.charAt(begin)) {
            i += text.charAt(i) == '\\' ? 2 : 1;
        }
        return Math.min(i + 1, text.length());
    }

    /** Reads the text up to the closing bracket, rewrites the text and splits it at the separator. */
    private List<String> parts(char close, char separator) {
        List<String> parts = new ArrayList<>();
        StringBuilder part = new StringBuilder();
        while (at < text.length() && text.charAt(at) != close) {
            char c = text.charAt(at);
            if (c == separator) {
                parts.add(part.toString());
                part.setLength(0);
                at++;
            } else if (c == '\'' || c == '"') {
                int end = endOfQuote(text, at);
                part.append(text, at, end);
                at = end;
            } else if (c == '(' || c == '[' || c == '{') {
                part.append(bracketed(c, subscripted(part)));
            } else {
                part.append(c);
                at++;
            }
        }
        parts.add(part.toString());
        return parts;
    }

    private String bracketed(char open, boolean subscripted) {
        at++;
        char close = open == '(' ? ')' : open == '[' ? ']' : '}';
        char separator = open == '(' ? ',' : open == '[' ? ':' : '\0';
        List<String> parts = parts(close, separator);
        at++;
        if (open == '[' && subscripted && parts.size() > 1 && parts.size() < 4) {
            return "." + SLICE + "(" + bound(parts, 0) + ", " + bound(parts, 1) + ", " + bound(parts, 2) + ")";
        }
        if (open == '(' && subscripted) {
            return "(" + String.join(",", parts.stream().map(TemplateExpression::argument).toList()) + ")";
        }
        return open + String.join(String.valueOf(separator), parts) + close;
    }

    private static String bound(List<String> parts, int i) {
        return i >= parts.size() || parts.get(i).isBlank() ? "none" : parts.get(i);
    }

    private static String argument(String argument) {
        Matcher named = NAMED.matcher(argument);
        return named.matches() ? named.group(1) + "(" + named.group(2) + ")" : argument;
    }

    /** Whether a bracket directly after this text begins a subscript or a call. */
    private static boolean subscripted(CharSequence before) {
        String word = before.toString().stripTrailing();
        char last = word.isEmpty() ? ' ' : word.charAt(word.length() - 1);
        return Character.isLetterOrDigit(last) && !OPERATOR.matcher(word).matches() || "_)]'\"".indexOf(last) >= 0;
    }
}
