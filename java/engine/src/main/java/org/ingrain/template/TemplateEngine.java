package org.ingrain.template;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.InterpreterFactory;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.objects.collections.PyList;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.tokenizer.DjlSettings;

/**
 * Configures Jinjava to render templates as transformers does with Jinja. Templates cannot load files and cannot use
 * functions or filters that depend on the time or on random numbers. The rendering time, the length of the output and
 * the size of values are limited.
 */
final class TemplateEngine {
    /** Maximum number of characters of a string value, and of the rendered prompt. */
    static final int MAX_CHARACTERS = 16_000_000;

    private static final int MAX_ELEMENTS = 10_000;
    private static final Pattern DISABLED = Pattern.compile("':?(\\w+)' is disabled in this context");
    private static final Set<String> FUNCTIONS = Set.of(":namespace", ":range");

    private TemplateEngine() {
    }

    /** @param limit maximum time to render a template once */
    static Jinjava create(Duration limit) {
        DjlSettings.apply();
        LegacyOverrides asJinja = LegacyOverrides.newBuilder().withEvaluateMapKeys(true).withIterateOverMapKeys(true)
                .withUsePyishObjectMapper(true).withUseNaturalOperatorPrecedence(true)
                .withParseWhitespaceControlStrictly(true)
                .withAllowAdjacentTextNodes(true).withUseTrimmingForNotesAndExpressions(true)
                        .withKeepNullableLoopValues(true)
                .withHandleBackslashInQuotesOnly(true).build();
        // TemplateSource handles white space. Nested interpretation is off, so that template syntax in a message is not
        // interpreted.
        Jinjava jinjava = new Jinjava(JinjavaConfig.newBuilder().withLegacyOverrides(asJinja)
                .withKeepTrailingNewline(true)
                .withNestedInterpretationEnabled(false).withElResolver(PythonResolver.beforeJinjavas())
                .withInterperterFactory(new PythonInterpreters(limit)).withDisabled(disabled())
                .withMaxOutputSize(MAX_CHARACTERS).withMaxStringLength(MAX_CHARACTERS).withMaxListSize(MAX_ELEMENTS)
                .withMaxMapSize(MAX_ELEMENTS)
                .withNodePreProcessor((node, interpreter) -> ((PythonInterpreter) interpreter).requireTime()).build());
        TemplateFilters.all().forEach(jinjava.getGlobalContext()::registerFilter);
        jinjava.getGlobalContext().registerTag(new GenerationTag());
        jinjava.getGlobalContext().registerFunction(
                new ELFunctionDefinition("", "raise_exception", TemplateEngine.class, "raiseException", String.class));
        jinjava.getGlobalContext().registerFunction(
                new ELFunctionDefinition("", "range", TemplateEngine.class, "range", Object.class, Object[].class));
        return jinjava;
    }

    /**
     * Names of the tags, functions and filters to disable: tags that load files, and all functions and filters of
     * Jinjava that are not known to work as in Jinja.
     */
    private static Map<Context.Library, Set<String>> disabled() {
        Context all = new Jinjava().getGlobalContext();
        Set<String> functions = all.getAllFunctions().stream().map(ELFunctionDefinition::getName)
                .filter(name -> !FUNCTIONS.contains(name)).collect(Collectors.toSet());
        Set<String> filters = all.getAllFilters().stream().map(Filter::getName)
                .filter(name -> !TemplateExpression.FILTERS.contains(name)).collect(Collectors.toSet());
        return Map.of(Context.Library.TAG, Set.of("include", "import", "from", "extends"), Context.Library.FUNCTION,
                functions, Context.Library.FILTER, filters);
    }

    /** Returns Python's range. Jinjava's own function returns only the first elements of a long range. */
    public static List<Object> range(Object first, Object... more) {
        long[] bounds = Stream.concat(Stream.of(first), Stream.of(more)).mapToLong(bound -> {
            if (bound instanceof Number number) {
                return number.longValue();
            }
            throw new Refusal("range of " + bound + ", expected numbers");
        }).toArray();
        long start = bounds.length == 1 ? 0 : bounds[0];
        long stop = bounds.length == 1 ? bounds[0] : bounds[1];
        long step = bounds.length < 3 ? 1 : bounds[2];
        if (step == 0 || bounds.length > 3) {
            throw new Refusal("range expects one to three numbers, and a step other than 0");
        }
        List<Object> numbers = new ArrayList<>();
        for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
            numbers.add(i);
            require(numbers.size(), MAX_ELEMENTS, "elements");
        }
        return new PyList(numbers);
    }

    /** Refuses a value that is too large. */
    static void require(long size, long most, String unit) {
        if (size > most) {
            throw new Refusal("a value has more than " + most + " " + unit);
        }
    }

    /**
     * An exception with a message for the user. The checks of this class and raise_exception in a template throw it.
     */
    static final class Refusal extends InterpretException {
        private static final long serialVersionUID = 1;

        private Refusal(String message) {
            super(message);
        }
    }

    /** The function raise_exception, which templates can call. */
    public static Object raiseException(String message) {
        throw new Refusal(message);
    }

    /** Describes an error in one line. If a {@link Refusal} caused the error, the line is its message. */
    static String complaint(TemplateError error) {
        String message = error.getMessage();
        for (Throwable cause = error.getException(); cause != null; cause = cause.getCause()) {
            message = cause instanceof Refusal ? cause.getMessage() : message;
        }
        if (error.getReason() == TemplateError.ErrorReason.OUTPUT_TOO_BIG) {
            return "its output has more than " + MAX_CHARACTERS + " characters";
        }
        Matcher disabled = DISABLED.matcher(message);
        if (disabled.find()) {
            return disabled.group(1) + " is not supported";
        }
        if (message.contains("'strftime_now'")) {
            return "it calls strftime_now, so the prompt would depend on the date; expected a template with a fixed "
                    + "date";
        }
        return message.lines().findFirst().orElse("");
    }

    private record PythonInterpreters(Duration limit) implements InterpreterFactory {
        @Override
        public JinjavaInterpreter newInstance(JinjavaInterpreter other) {
            return new PythonInterpreter(other, limit);
        }

        @Override
        public JinjavaInterpreter newInstance(Jinjava jinjava, Context context, JinjavaConfig config) {
            return new PythonInterpreter(jinjava, context, config, limit);
        }
    }

    /**
     * An interpreter that writes {@code true} and {@code false} as Python does. It also limits the rendering time and
     * the size of values.
     */
    private static final class PythonInterpreter extends JinjavaInterpreter {
        private final Duration limit;
        private final long deadline;

        private PythonInterpreter(Jinjava jinjava, Context context, JinjavaConfig config, Duration limit) {
            super(jinjava, context, config);
            this.limit = limit;
            deadline = deadline(limit);
        }

        private PythonInterpreter(JinjavaInterpreter other, Duration limit) {
            super(other);
            this.limit = limit;
            deadline = deadline(limit);
        }

        private static long deadline(Duration limit) {
            return JinjavaInterpreter.getCurrentMaybe().map(outer -> ((PythonInterpreter) outer).deadline)
                    .orElseGet(() -> System.nanoTime() + limit.toNanos());
        }

        private void requireTime() {
            if (System.nanoTime() - deadline > 0) {
                throw new Refusal("rendering takes more than " + limit.toMillis() + " ms");
            }
        }

        @Override
        public Object resolveELExpression(String expression, int line, int position) {
            Object value = super.resolveELExpression(expression, line, position);
            switch (value) {
                case CharSequence text -> require(text.length(), MAX_CHARACTERS, "characters");
                case Collection<?> list -> require(list.size(), MAX_ELEMENTS, "elements");
                case null, default -> { }
            }
            return value;
        }

        @Override
        public String getAsString(Object value) {
            return value instanceof Boolean flag ? flag ? "True" : "False" : super.getAsString(value);
        }
    }

    /**
     * The generation tag of transformers, which marks the assistant's text. The content of the tag is rendered
     * unchanged.
     */
    private static final class GenerationTag implements Tag {
        private static final long serialVersionUID = 1;

        @Override
        public String getName() {
            return "generation";
        }

        @Override
        public String interpret(TagNode tag, JinjavaInterpreter interpreter) {
            StringBuilder text = new StringBuilder();
            for (Node child : tag.getChildren()) {
                text.append(child.render(interpreter));
            }
            return text.toString();
        }
    }
}
