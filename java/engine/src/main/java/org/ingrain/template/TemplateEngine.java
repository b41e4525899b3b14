package org.ingrain.template;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.InterpreterFactory;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import java.util.Map;
import java.util.Set;
import org.ingrain.tokenizer.DjlSettings;

/** Configures Jinjava to render templates as transformers does with Jinja. A template cannot load files. */
final class TemplateEngine {
    /** Jinjava's own functions that depend on the time; a colon is part of a function's name. */
    private static final Set<String> OF_THE_TIME = Set.of(":today", ":unixtimestamp", ":datetimeformat");

    private TemplateEngine() {
    }

    static Jinjava create() {
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
                .withInterperterFactory(new PythonInterpreters())
                .withDisabled(Map.of(Context.Library.TAG, Set.of("include", "import", "from", "extends"),
                        Context.Library.FUNCTION, OF_THE_TIME)).build());
        TemplateFilters.all().forEach(jinjava.getGlobalContext()::registerFilter);
        jinjava.getGlobalContext().registerTag(new GenerationTag());
        jinjava.getGlobalContext().registerFunction(
                new ELFunctionDefinition("", "raise_exception", TemplateEngine.class, "raiseException", String.class));
        return jinjava;
    }

    /** Thrown if the template calls raise_exception, with which it rejects a conversation. */
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

    /** Describes an error in one line. If the template called raise_exception, the line is the template's message. */
    static String complaint(TemplateError error) {
        String message = error.getMessage();
        for (Throwable cause = error.getException(); cause != null; cause = cause.getCause()) {
            message = cause instanceof Refusal ? cause.getMessage() : message;
        }
        if (message.contains("'strftime_now'")) {
            return "it calls strftime_now, so the prompt would depend on the date; expected a template with a fixed "
                    + "date";
        }
        return message.lines().findFirst().orElse("");
    }

    private static final class PythonInterpreters implements InterpreterFactory {
        @Override
        public JinjavaInterpreter newInstance(JinjavaInterpreter other) {
            return new PythonInterpreter(other);
        }

        @Override
        public JinjavaInterpreter newInstance(Jinjava jinjava, Context context, JinjavaConfig config) {
            return new PythonInterpreter(jinjava, context, config);
        }
    }

    /** Writes true and false as Python does. */
    private static final class PythonInterpreter extends JinjavaInterpreter {
        private PythonInterpreter(Jinjava jinjava, Context context, JinjavaConfig config) {
            super(jinjava, context, config);
        }

        private PythonInterpreter(JinjavaInterpreter other) {
            super(other);
        }

        @Override
        public String getAsString(Object value) {
            return value instanceof Boolean flag ? flag ? "True" : "False" : super.getAsString(value);
        }
    }

    /** The generation tag of transformers, which marks the assistant's text. Its content is rendered unchanged. */
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
