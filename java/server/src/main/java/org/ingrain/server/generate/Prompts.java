package org.ingrain.server.generate;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.ingrain.engine.Engine;
import org.ingrain.sample.SamplingParams;
import org.ingrain.server.api.ApiException;
import org.ingrain.server.api.ChatRequest.Chat;
import org.ingrain.server.api.CompletionRequest;
import org.ingrain.template.ChatTemplate;
import org.ingrain.tensor.InputException;
import org.ingrain.tokenizer.StreamingDecoder;
import org.ingrain.tokenizer.Tokenizer;

/** Converts prompts to token ids, and token ids to text. Thread-safe. */
public final class Prompts {
    /**
     * A token is assumed to have at most this number of characters. So a text that is certainly longer than the context
     * is refused without being encoded.
     */
    private static final int CHARACTERS_PER_TOKEN = 256;

    private final Engine engine;
    private final Tokenizer tokenizer;
    private final int contextLength;
    /** The chat template for each value of enable_thinking. */
    private final Map<Optional<Boolean>, ChatTemplate> templates = new ConcurrentHashMap<>();

    /** @param contextLength maximum number of tokens of a prompt and its completion together */
    public Prompts(Engine engine, int contextLength) {
        this.engine = engine;
        this.contextLength = contextLength;
        tokenizer = engine.tokenizer();
        templates.put(Optional.empty(), engine.template());
    }

    /** The maximum number of tokens of a prompt and its completion together. */
    public int contextLength() {
        return contextLength;
    }

    /** The ids of a prompt of {@code /v1/completions}. */
    public int[] encode(CompletionRequest.Prompt prompt, boolean addSpecial) {
        return prompt.text() == null ? prompt.ids() : encode(prompt.text(), addSpecial);
    }

    /** The ids of a text. */
    public int[] encode(String text, boolean addSpecial) {
        requireShort("prompt", text.length());
        return addSpecial ? tokenizer.encodeBegin(text) : tokenizer.encode(text, false);
    }

    /** The ids of a conversation. */
    public int[] encode(Chat chat) {
        requireShort("messages", chat.messages().stream().mapToLong(message -> message.content().length()).sum());
        try {
            return templates.computeIfAbsent(chat.enableThinking(), this::template)
                    .encode(tokenizer, chat.messages(), chat.addGenerationPrompt());
        } catch (InputException refused) {
            throw ApiException.of(refused, Map.of("enableThinking", "chat_template_kwargs"));
        }
    }

    private ChatTemplate template(Optional<Boolean> enableThinking) {
        return ChatTemplate.open(engine.options().model(), tokenizer, enableThinking);
    }

    private void requireShort(String param, long characters) {
        long most = (long) contextLength * CHARACTERS_PER_TOKEN;
        if (characters > most) {
            throw ApiException.tooLong(param, param + ": " + characters + " characters, expected at most " + most
                    + " for the context of " + contextLength + " tokens");
        }
    }

    /**
     * Returns the parameters with the maximum number of generated tokens set, for a prompt of {@code length} tokens.
     *
     * @param asked requested maximum number of generated tokens; empty for the rest of the context
     * @param param name of the field with the prompt
     */
    public SamplingParams limited(SamplingParams params, int length, Optional<Integer> asked, String param) {
        if (length == 0) {
            throw ApiException.invalid(param, param + ": no tokens, expected at least one");
        }
        int tokens = asked.orElse(Math.max(1, contextLength - length));
        if (length >= contextLength || (long) length + tokens > contextLength) {
            throw ApiException.tooLong(param, param + ": " + length + " tokens and a completion of " + tokens
                    + ", expected at most " + contextLength + " together, the maximum context length");
        }
        return params.withMaxTokens(Math.max(1, tokens));
    }

    /** The text of ids, without special tokens. */
    public String decode(int[] ids) {
        return tokenizer.decode(ids, true);
    }

    /** The text of ids, with special tokens. */
    public String decodeAll(int[] ids) {
        requireKnown(ids);
        return tokenizer.decode(ids, false);
    }

    private void requireKnown(int[] ids) {
        for (int id : ids) {
            if (id < 0 || id >= engine.blueprint().vocabSize()) {
                throw ApiException.invalid("tokens", "tokens: token id " + id + ", expected 0 to "
                        + (engine.blueprint().vocabSize() - 1));
            }
        }
    }

    /** A decoder without special tokens. */
    public StreamingDecoder decoder() {
        return tokenizer.streamingDecoder(true);
    }

    /** The UTF-8 bytes of one token, which may be only a part of a character. */
    public byte[] tokenBytes(int id) {
        return tokenizer.tokenBytes(id);
    }

    /** The text of one token. Bytes that are not a whole character become U+FFFD. */
    public String tokenText(int id) {
        return new String(tokenBytes(id), StandardCharsets.UTF_8);
    }
}
