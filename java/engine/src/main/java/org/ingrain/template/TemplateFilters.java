package org.ingrain.template;

import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.filter.AdvancedFilter;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.util.ObjectTruthValue;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Filters that replace filters of Jinjava, because Jinjava's filters behave differently from the filters of Jinja or
 * from Python.
 */
final class TemplateFilters {
    private TemplateFilters() {
    }

    static List<Filter> all() {
        return List.of(new Trim(), new Length("length"), new Length("count"), new Items(), new ToJson(),
                new Default("default"), new Default("d"), new Replace());
    }

    /** Removes leading and trailing white space as Python does. Jinjava's own filter removes only ASCII white space. */
    private static final class Trim implements Filter {
        @Override
        public String getName() {
            return "trim";
        }

        @Override
        public Object filter(Object value, JinjavaInterpreter interpreter, String... arguments) {
            return value == null ? "" : PythonStrings.trim(value.toString());
        }
    }

    /**
     * Replaces all occurrences of a text. Jinjava's own filter limits neither the time nor the length of the result.
     */
    private static final class Replace implements Filter {
        @Override
        public String getName() {
            return "replace";
        }

        @Override
        public Object filter(Object value, JinjavaInterpreter interpreter, String... arguments) {
            if (arguments.length != 2) {
                throw new InterpretException("replace expects two texts");
            }
            return value == null ? "" : PythonStrings.replace(value.toString(), arguments[0], arguments[1]);
        }
    }

    /** Returns the length of a text in code points, as in Python, or the number of elements of a collection. */
    private record Length(String name) implements Filter {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public Object filter(Object value, JinjavaInterpreter interpreter, String... arguments) {
            return switch (value) {
                case null -> 0L;
                case CharSequence text -> (long) text.toString().codePointCount(0, text.length());
                case Collection<?> collection -> (long) collection.size();
                case Map<?, ?> map -> (long) map.size();
                default -> throw new InterpretException("length of " + value.getClass()
                        .getSimpleName() + " is not supported");
            };
        }
    }

    /**
     * Returns the value, or the first argument if the value is {@code none}. If the second argument is true, the first
     * argument also replaces a value that counts as false, such as an empty text. Jinjava's own filter converts the
     * first argument to a string, which turns false into a true value.
     */
    private record Default(String name) implements AdvancedFilter {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public Object filter(Object value, JinjavaInterpreter interpreter, Object[] arguments,
                Map<String, Object> named) {
            if (arguments.length > 2 || !named.isEmpty()) {
                throw new InterpretException("default expects a value; a second argument true also replaces false"
                        + " values");
            }
            boolean kept = value != null && (arguments.length < 2 || !ObjectTruthValue.evaluate(arguments[1])
                    || ObjectTruthValue.evaluate(value));
            return kept ? value : arguments.length == 0 ? "" : arguments[0];
        }
    }

    /** Returns the key and value pairs of a mapping. */
    private static final class Items implements Filter {
        @Override
        public String getName() {
            return "items";
        }

        @Override
        public Object filter(Object value, JinjavaInterpreter interpreter, String... arguments) {
            if (value instanceof Map<?, ?> map) {
                return map.entrySet();
            }
            throw new InterpretException("items expects a mapping");
        }
    }

    /** Returns the same text as Python's json.dumps(ensure_ascii=False), with spaces after commas and colons. */
    private static final class ToJson implements AdvancedFilter {
        @Override
        public String getName() {
            return "tojson";
        }

        @Override
        public Object filter(Object value, JinjavaInterpreter interpreter, Object[] arguments,
                Map<String, Object> named) {
            Object indent = named.get("indent");
            if (arguments.length > 0 || named.size() > (indent == null ? 0 : 1)) {
                throw new InterpretException("tojson accepts only the argument indent");
            }
            if (indent instanceof Number number && number.longValue() > 100) {
                throw new InterpretException("tojson has the indent " + number + ", expected at most 100");
            }
            return json(value, indent instanceof Number number ? number.intValue() : -1, "\n");
        }

        private static String json(Object value, int indent, String newLine) {
            String inner = newLine + " ".repeat(Math.max(0, indent));
            return switch (value) {
                case null -> "null";
                case Map<?, ?> map -> block("{", map.entrySet().stream()
                        .map(e -> quoted(e.getKey().toString()) + ": " + json(e.getValue(), indent, inner)).toList(),
                        "}", indent < 0, newLine, inner);
                case Collection<?> list -> block("[", list.stream().map(e -> json(e, indent, inner)).toList(), "]",
                        indent < 0, newLine, inner);
                case Number number -> number.toString();
                case Boolean flag -> flag.toString();
                default -> quoted(value.toString());
            };
        }

        private static String block(String open, List<String> parts, String close, boolean flat, String newLine,
                String inner) {
            if (parts.isEmpty() || flat) {
                return open + String.join(", ", parts) + close;
            }
            return open + inner + String.join("," + inner, parts) + newLine + close;
        }

        private static String quoted(String text) {
            return text.codePoints().mapToObj(c -> switch (c) {
                case '"' -> "\\\"";
                case '\\' -> "\\\\";
                case '\n' -> "\\n";
                case '\r' -> "\\r";
                case '\t' -> "\\t";
                case '\b' -> "\\b";
                case '\f' -> "\\f";
                default -> c < ' ' ? String.format(Locale.ROOT, "\\u%04x", (int) c) : Character.toString(c);
            }).collect(Collectors.joining("", "\"", "\""));
        }
    }
}
