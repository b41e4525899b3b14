package org.ingrain.template;

import com.hubspot.jinjava.objects.collections.PyList;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.IntPredicate;

/**
 * Python's string methods and slices for chat templates. White space is defined as in Python. Indices count code
 * points.
 */
final class PythonStrings {
    private static final String SPACES =
            "\t\n\u000B\f\r\u001C\u001D\u001E\u001F \u0085\u00A0\u1680\u2028\u2029\u202F\u205F\u3000";

    private PythonStrings() {
    }

    /** Calls a method and returns its result; empty if the method is not supported with these arguments. */
    static Optional<Object> call(String text, String method, List<?> arguments) {
        return switch (arguments.size()) {
            case 0 -> Optional.ofNullable(ofNone(text, method));
            case 1 -> arguments.getFirst() instanceof String argument
                    ? Optional.ofNullable(ofText(text, method, argument))
                    : arguments.getFirst() instanceof List<?> list
                            ? Optional.ofNullable(ofList(text, method, list)) : Optional.empty();
            case 2 -> arguments.getFirst() instanceof String from
                    ? ofTwo(text, method, from, arguments.getLast()) : Optional.empty();
            default -> Optional.empty();
        };
    }

    private static Object ofNone(String text, String method) {
        return switch (method) {
            case "strip" -> strip(text, true, true, PythonStrings::isSpace);
            case "lstrip" -> strip(text, true, false, PythonStrings::isSpace);
            case "rstrip" -> strip(text, false, true, PythonStrings::isSpace);
            case "upper" -> text.toUpperCase(Locale.ROOT);
            case "lower" -> text.toLowerCase(Locale.ROOT);
            case "title" -> title(text);
            case "capitalize" -> text.isEmpty() ? text : text.substring(0, 1)
                    .toUpperCase(Locale.ROOT) + text.substring(1).toLowerCase(Locale.ROOT);
            case "isdigit" -> !text.isEmpty() && text.codePoints().allMatch(Character::isDigit);
            case "isspace" -> !text.isEmpty() && text.codePoints().allMatch(PythonStrings::isSpace);
            case "split" -> splitAtSpace(text);
            default -> null;
        };
    }

    private static Object ofText(String text, String method, String argument) {
        IntPredicate among = c -> argument.indexOf(c) >= 0;
        return switch (method) {
            case "strip" -> strip(text, true, true, among);
            case "lstrip" -> strip(text, true, false, among);
            case "rstrip" -> strip(text, false, true, among);
            case "startswith" -> text.startsWith(argument);
            case "endswith" -> text.endsWith(argument);
            case "removeprefix" -> text.startsWith(argument) ? text.substring(argument.length()) : text;
            case "removesuffix" -> text.endsWith(argument)
                    ? text.substring(0, text.length() - argument.length()) : text;
            case "split" -> argument.isEmpty() ? null : split(text, argument, Long.MAX_VALUE);
            case "find" -> index(text, text.indexOf(argument));
            case "rfind" -> index(text, text.lastIndexOf(argument));
            case "count" -> argument.isEmpty() ? null : (long) split(text, argument, Long.MAX_VALUE).size() - 1;
            default -> null;
        };
    }

    private static Object ofList(String text, String method, List<?> arguments) {
        return switch (method) {
            case "startswith" -> arguments.stream().anyMatch(prefix -> text.startsWith((String) prefix));
            case "endswith" -> arguments.stream().anyMatch(suffix -> text.endsWith((String) suffix));
            case "join" -> join(text, arguments);
            default -> null;
        };
    }

    /** Returns {@code text.replace(from, to)}. Checks the length of the result before it creates the result. */
    static String replace(String text, String from, String to) {
        long count = 0;
        for (int at = text.indexOf(from); at >= 0 && at < text.length() && to.length() > from.length();
                at = text.indexOf(from, at + Math.max(1, from.length()))) {
            count++;
        }
        TemplateEngine.require(text.length() + (count + 1) * (to.length() - from.length()),
                TemplateEngine.MAX_CHARACTERS, "characters");
        return text.replace(from, to);
    }

    private static Object join(String separator, List<?> parts) {
        List<String> texts = parts.stream().map(String.class::cast).toList();
        long length = texts.stream().mapToLong(String::length).sum() + (long) separator.length() * texts.size();
        TemplateEngine.require(length, TemplateEngine.MAX_CHARACTERS, "characters");
        return String.join(separator, texts);
    }

    private static Optional<Object> ofTwo(String text, String method, String from, Object second) {
        if (method.equals("replace") && second instanceof String to) {
            return Optional.of(replace(text, from, to));
        }
        if (method.equals("split") && !from.isEmpty() && second instanceof Number most) {
            return Optional.of(split(text, from, most.longValue() < 0 ? Long.MAX_VALUE : most.longValue()));
        }
        return Optional.empty();
    }

    /** Returns {@code text[start:stop:step]}. A null argument stands for a missing bound or step. */
    static String slice(String text, Long start, Long stop, Long step) {
        int[] points = text.codePoints().toArray();
        StringBuilder part = new StringBuilder();
        indices(points.length, start, stop, step).forEach(i -> part.appendCodePoint(points[i]));
        return part.toString();
    }

    /** Returns {@code list[start:stop:step]}. A null argument stands for a missing bound or step. */
    static List<Object> slice(List<?> list, Long start, Long stop, Long step) {
        List<Object> part = new ArrayList<>();
        indices(list.size(), start, stop, step).forEach(i -> part.add(list.get(i)));
        return new PyList(part);
    }

    private static List<Integer> indices(int length, Long start, Long stop, Long step) {
        long by = step == null ? 1 : step;
        if (by == 0) {
            throw new IllegalArgumentException("a slice's step is 0");
        }
        long lowest = by > 0 ? 0 : -1;
        long highest = by > 0 ? length : length - 1;
        long first = bound(start, by > 0 ? lowest : highest, length, lowest, highest);
        long end = bound(stop, by > 0 ? highest : lowest, length, lowest, highest);
        List<Integer> indices = new ArrayList<>();
        for (long i = first; by > 0 ? i < end : i > end; i += by) {
            indices.add((int) i);
        }
        return indices;
    }

    private static long bound(Long given, long otherwise, int length, long lowest, long highest) {
        return given == null ? otherwise : Math.clamp(given < 0 ? given + length : given, lowest, highest);
    }

    /** Returns {@code text[index]}; empty if the index is out of range. A negative index counts from the end. */
    static Optional<String> at(String text, long index) {
        int[] points = text.codePoints().toArray();
        long i = index < 0 ? index + points.length : index;
        return i < 0 || i >= points.length ? Optional.empty() : Optional.of(Character.toString(points[(int) i]));
    }

    static String trim(String text) {
        return strip(text, true, true, PythonStrings::isSpace);
    }

    private static String strip(String text, boolean left, boolean right, IntPredicate stripped) {
        int begin = 0;
        int end = text.length();
        while (left && begin < end && stripped.test(text.charAt(begin))) {
            begin++;
        }
        while (right && end > begin && stripped.test(text.charAt(end - 1))) {
            end--;
        }
        return text.substring(begin, end);
    }

    /** Whether a character is white space, as in Python's str.isspace. */
    static boolean isSpace(int c) {
        return SPACES.indexOf(c) >= 0 || c >= 0x2000 && c <= 0x200A;
    }

    private static Long index(String text, int at) {
        return at < 0 ? -1L : text.codePointCount(0, at);
    }

    private static String title(String text) {
        StringBuilder titled = new StringBuilder();
        boolean inWord = false;
        for (int c : text.codePoints().toArray()) {
            titled.appendCodePoint(inWord ? Character.toLowerCase(c) : Character.toTitleCase(c));
            inWord = Character.isLetter(c);
        }
        return titled.toString();
    }

    private static List<Object> split(String text, String separator, long most) {
        List<Object> parts = new ArrayList<>();
        int begin = 0;
        for (int at = text.indexOf(separator); at >= 0 && parts.size() < most; at = text.indexOf(separator, begin)) {
            parts.add(text.substring(begin, at));
            begin = at + separator.length();
        }
        parts.add(text.substring(begin));
        return new PyList(parts);
    }

    private static List<Object> splitAtSpace(String text) {
        List<Object> parts = new ArrayList<>();
        int begin = -1;
        for (int i = 0; i <= text.length(); i++) {
            boolean space = i == text.length() || isSpace(text.charAt(i));
            if (space && begin >= 0) {
                parts.add(text.substring(begin, i));
                begin = -1;
            } else if (!space && begin < 0) {
                begin = i;
            }
        }
        return new PyList(parts);
    }
}
