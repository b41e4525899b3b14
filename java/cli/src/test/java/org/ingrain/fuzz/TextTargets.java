package org.ingrain.fuzz;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.template.ChatTemplate;
import org.ingrain.template.Message;
import org.ingrain.tokenizer.TinyTokenizers;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;

/** Files of tokenizers and chat templates. */
final class TextTargets {
    private static final String TEXT = "ab <|end|>\u00e9 \ud83d\ude42";
    private static final List<Message> MESSAGES = List.of(new Message("system", "Be brief."),
            new Message("user", TEXT), Message.assistant("Yes."), new Message("user", "{{ 1 }}"));
    private static final String TEMPLATE = "{% for message in messages %}{% if loop.first and message['role'] == "
            + "'system' %}{{ bos_token + message.content | trim }}{% elif message.role == 'user' %}{{ '[INST] ' ~ "
            + "message['content'].strip() ~ ' [/INST]' }}{% else %}{{ message.content[1:] + eos_token }}{% endif %}"
            + "{% endfor %}{% if add_generation_prompt %}{{ 'assistant\\n' }}{% endif %}";
    private static final String CONFIG = "{\"tokenizer_class\": \"LlamaTokenizer\", \"bos_token\": \"<s>\", "
            + "\"eos_token\": {\"content\": \"</s>\"}, \"add_bos_token\": true, \"legacy\": false, "
            + "\"added_tokens_decoder\": {\"266\": {\"content\": \"<x>\", \"special\": true, \"lstrip\": true}}}";

    static final List<Targets.Entry> ALL = List.of(
            new Targets.Entry("tokenizer", TextTargets::tokenizerJson),
            new Targets.Entry("sentencepiece", TextTargets::sentencePiece),
            new Targets.Entry("tokenizer-config", TextTargets::tokenizerConfig),
            new Targets.Entry("template", TextTargets::template));

    private TextTargets() {
    }

    /** Fuzzed with {@link NoEncoderProcess}. */
    private static Target tokenizerJson(String name, Path folder) throws IOException {
        Path other = Files.createDirectories(folder.resolve("seeds"));
        byte[] bytes = Files.readAllBytes(TinyTokenizers.byteLevel(other));
        byte[] llama = Files.readAllBytes(TinyTokenizers.llama2Json(other));
        return Target.ofFile(name, Format.JSON, List.of(bytes, llama), folder.resolve("tokenizer.json"),
                content -> use(folder));
    }

    private static Target sentencePiece(String name, Path folder) throws IOException {
        byte[] model = Files.readAllBytes(TinyTokenizers.sentencePiece(folder));
        return Target.ofFile(name, Format.BYTES, List.of(model), folder.resolve("tokenizer.model"),
                content -> use(folder));
    }

    private static Target tokenizerConfig(String name, Path folder) throws IOException {
        TinyTokenizers.sentencePiece(folder);
        return Target.ofFile(name, Format.JSON, List.of(CONFIG.getBytes(UTF_8)),
                folder.resolve("tokenizer_config.json"), content -> use(folder));
    }

    private static Target template(String name, Path folder) throws IOException {
        TinyTokenizers.sentencePiece(folder);
        Tokenizer tokenizer = Tokenizers.open(folder);
        return Target.ofFile(name, Format.BYTES, List.of(TEMPLATE.getBytes(UTF_8)),
                folder.resolve("chat_template.jinja"),
                content -> ChatTemplate.open(folder, tokenizer).render(MESSAGES, true));
    }

    private static void use(Path folder) {
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            tokenizer.decode(tokenizer.encode(TEXT, true), true);
        }
    }
}
