package org.ingrain.template;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.interpret.RenderResult;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.Texts;
import org.ingrain.tokenizer.Tokenizer;
import tools.jackson.databind.JsonNode;

/**
 * A folder's chat template: the one object that makes a prompt of messages, for sampling, training and evaluation
 * alike. Renders as transformers' apply_chat_template without tools; what Jinjava cannot render is refused rather than
 * rendered otherwise. The date of today (strftime_now) is not defined, so that a prompt is the same tomorrow: Llama 3's
 * templates then name a day of their own. Safe for use by many threads.
 */
public final class ChatTemplate {
    private static final String ENABLE_THINKING = "enable_thinking";
    private static final Pattern SWITCH = Pattern.compile("\\b" + ENABLE_THINKING + "\\b");

    private final String where;
    private final String source;
    private final String rewritten;
    private final Map<String, Object> variables;
    private final Jinjava jinjava = TemplateEngine.create();

    /**
     * @param where     what a complaint names: the file
     * @param source    Jinja
     * @param variables of the template beside the messages, by name
     */
    ChatTemplate(String where, String source, Map<String, Object> variables) {
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

    /** The template of a model folder, with the thinking switch not given. */
    public static ChatTemplate open(Path folder, Tokenizer tokenizer) {
        return open(folder, tokenizer, Optional.empty());
    }

    /**
     * The template of a model folder: chat_template.jinja, else chat_template.json, else tokenizer_config.json (of a
     * list the one named default), else Llama 2's own.
     *
     * @param enableThinking the template's variable enable_thinking, not defined where it is empty; InputException
     *                       where it is given and the template does not mention it
     */
    public static ChatTemplate open(Path folder, Tokenizer tokenizer, Optional<Boolean> enableThinking) {
        Map<String, Object> variables = new HashMap<>();
        variables.put("bos_token", tokenizer.bosToken().orElse(""));
        variables.put("eos_token", tokenizer.eosToken().orElse(""));
        enableThinking.ifPresent(on -> variables.put(ENABLE_THINKING, on));
        try {
            Path jinja = folder.resolve("chat_template.jinja");
            if (Files.isRegularFile(jinja)) {
                return new ChatTemplate(jinja.toString(), Files.readString(jinja), variables);
            }
            for (String name : List.of("chat_template.json", "tokenizer_config.json")) {
                Path file = folder.resolve(name);
                JsonFields fields = Files.isRegularFile(file) ? JsonFields.read(file) : JsonFields.empty(name);
                if (fields.has("chat_template")) {
                    return new ChatTemplate(file.toString(), defaultOf(fields), variables);
                }
            }
            try (InputStream own = ChatTemplate.class.getResourceAsStream("llama2.jinja")) {
                return new ChatTemplate("llama2.jinja", new String(own.readAllBytes(), StandardCharsets.UTF_8),
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

    /** The Jinja source. */
    public String source() {
        return source;
    }

    /** The prompt's text, special tokens spelled out. */
    public String render(List<Message> messages, boolean addGenerationPrompt) {
        Map<String, Object> context = new HashMap<>(variables);
        context.put("messages", messages.stream().map(ChatTemplate::fields).toList());
        context.put("add_generation_prompt", addGenerationPrompt);
        RenderResult result = jinjava.renderForResult(rewritten, context);
        if (result.hasErrors()) {
            throw new InputException(where + ": chat template: "
                    + TemplateEngine.complaint(result.getErrors().getFirst()));
        }
        return result.getOutput();
    }

    /**
     * The prompt's ids. The template's special tokens become single ids, and where the tokenizer begins a text with BOS
     * there is one in front, whether the template writes it or not.
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
