package org.ingrain.template;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.interpret.RenderResult;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.ingrain.files.DurableFile;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.Texts;
import org.ingrain.tokenizer.Tokenizer;
import tools.jackson.databind.JsonNode;

/**
 * The chat template of a model folder. Sampling, training and evaluation use the same template to create prompts from
 * messages. The prompts equal those that transformers' {@code apply_chat_template} creates without tools. The library
 * Jinjava renders the template; constructs that it renders differently from Jinja are rewritten or rejected. The
 * function {@code strftime_now}, which returns the current date, is not defined, so that a prompt does not depend on
 * the date. Without this function, Llama 3's templates use a fixed date. Thread-safe.
 */
public final class ChatTemplate {
    private static final String ENABLE_THINKING = "enable_thinking";
    private static final String DEFAULT = "llama2.jinja";
    private static final Pattern SWITCH = Pattern.compile("\\b" + ENABLE_THINKING + "\\b");

    private final String where;
    private final String source;
    private final String rewritten;
    private final Map<String, Object> variables;
    private final Jinjava jinjava;

    /**
     * @param where     name of the file, for error messages
     * @param source    the Jinja source
     * @param variables values of the template's variables, by name, without the messages
     */
    ChatTemplate(String where, String source, Map<String, Object> variables) {
        this(where, source, variables, Duration.ofSeconds(10));
    }

    /** @param limit maximum time to render one prompt */
    ChatTemplate(String where, String source, Map<String, Object> variables, Duration limit) {
        jinjava = TemplateEngine.create(limit);
        this.where = where;
        this.source = source;
        try {
            rewritten = TemplateSource.rewrite(source);
        } catch (InputException refused) {
            throw new InputException(where + ": chat template: " + refused.getMessage());
        }
        this.variables = Map.copyOf(variables);
        if (variables.containsKey(ENABLE_THINKING) && !SWITCH.matcher(source).find()) {
            throw InputException.field("enableThinking", variables.get(ENABLE_THINKING) + ", but the chat template of "
                    + where + " does not mention " + ENABLE_THINKING + ", expected one that does");
        }
    }

    /** Opens the template of a model folder without setting the template's variable {@code enable_thinking}. */
    public static ChatTemplate open(Path folder, Tokenizer tokenizer) {
        return open(folder, tokenizer, Optional.empty());
    }

    /**
     * Opens the template of a model folder. The template is in chat_template.jinja or in the field {@code
     * chat_template} of chat_template.json or tokenizer_config.json; the first of these that exists is used. If the
     * field is a list, its template named {@code default} is used. If there is no template, Llama 2's is used.
     *
     * @param enableThinking value of the template's variable {@code enable_thinking}; if empty, the variable is
     *                       undefined
     * @throws InputException if {@code enableThinking} has a value but the template does not contain the variable
     */
    public static ChatTemplate open(Path folder, Tokenizer tokenizer, Optional<Boolean> enableThinking) {
        Map<String, Object> variables = new HashMap<>(tokenizer.specialTokens());
        variables.put("bos_token", tokenizer.bosToken().orElse(""));
        variables.put("eos_token", tokenizer.eosToken().orElse(""));
        enableThinking.ifPresent(on -> variables.put(ENABLE_THINKING, on));
        try {
            Path jinja = folder.resolve("chat_template.jinja");
            if (Files.isRegularFile(jinja)) {
                return new ChatTemplate(jinja.toString(), DurableFile.read(jinja), variables);
            }
            for (String name : List.of("chat_template.json", "tokenizer_config.json")) {
                Path file = folder.resolve(name);
                JsonFields fields = Files.isRegularFile(file) ? JsonFields.read(file) : JsonFields.empty(name);
                if (fields.has("chat_template")) {
                    return new ChatTemplate(file.toString(), defaultOf(fields), variables);
                }
            }
            try (InputStream own = ChatTemplate.class.getResourceAsStream(DEFAULT)) {
                return new ChatTemplate(DEFAULT, new String(own.readAllBytes(), StandardCharsets.UTF_8),
                        variables);
            }
        } catch (IOException unreadable) {
            throw new InputException(folder + ": the chat template cannot be read: " + unreadable.getMessage(),
                    unreadable);
        }
    }

    private static String defaultOf(JsonFields fields) {
        if (!fields.node("chat_template").isArray()) {
            return fields.text("chat_template");
        }
        List<String> names = new ArrayList<>();
        for (JsonNode entry : fields.node("chat_template").values()) {
            JsonFields named = fields.within("chat_template", entry);
            if (named.text("name").equals("default")) {
                return named.text("template");
            }
            names.add(named.text("name"));
        }
        throw new InputException(fields.where() + ": chat_template has " + names + ", expected one named default");
    }

    /** Whether this is Llama 2's template, which is used if the model folder has no template. */
    public boolean isDefault() {
        return where.equals(DEFAULT);
    }

    /** The Jinja source. */
    public String source() {
        return source;
    }

    /**
     * Returns the text of the prompt. Special tokens are included as text.
     *
     * @throws InputException if the template refuses the messages or fails, or if it needs too much time or memory
     */
    public String render(List<Message> messages, boolean addGenerationPrompt) {
        Map<String, Object> context = new HashMap<>(variables);
        context.put("messages", messages.stream().map(ChatTemplate::fields).toList());
        context.put("add_generation_prompt", addGenerationPrompt);
        RenderResult result = result(context);
        if (result.hasErrors()) {
            throw new InputException(where + ": chat template: "
                    + TemplateEngine.complaint(result.getErrors().getFirst()));
        }
        return result.getOutput();
    }

    private RenderResult result(Map<String, Object> context) {
        try {
            return jinjava.renderForResult(rewritten, context);
        } catch (StackOverflowError deep) {
            throw new InputException(where + ": chat template: an expression is nested too deeply", deep);
        }
    }

    /**
     * Returns the token ids of the prompt. Special tokens in the template become single ids. If the tokenizer prepends
     * BOS, the prompt starts with exactly one BOS, even if the template includes BOS.
     */
    public int[] encode(Tokenizer tokenizer, List<Message> messages, boolean addGenerationPrompt) {
        int[] ids = tokenizer.encode(render(messages, addGenerationPrompt), false);
        if (!tokenizer.addsBos() || ids.length > 0 && ids[0] == tokenizer.bosId().orElseThrow()) {
            return ids;
        }
        return IntStream.concat(IntStream.of(tokenizer.bosId().orElseThrow()), IntStream.of(ids)).toArray();
    }

    private static Map<String, Object> fields(Message message) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("role", message.role());
        fields.put("content", Texts.wellFormed(message.content()));
        return fields;
    }
}
