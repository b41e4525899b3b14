package org.ingrain.template;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.TestFolders;
import org.ingrain.tokenizer.TinyTokenizers;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Golden texts: transformers 5.18 with jinja2 3.1 for the same templates and messages. */
class ChatTemplateTest {
    private static final List<Message> CHAT = List.of(
            Message.system("Be brief.\n"), Message.user("  What is {{ x }} {% if %}?\u3000"),
            Message.assistant(" An <b> \"answer\" "), Message.user("你好 😀"));
    private static final List<Message> QUESTION = CHAT.subList(1, 2);

    private static final String LLAMA2 =
            "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
            + "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set "
                    + "system_message = false %}"
            + "{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == "
                    + "0) %}"
            + "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
            + "{% if loop.index0 == 0 and system_message != false %}"
            + "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}"
            + "{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
            + "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
            + "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}";
    private static final String LLAMA3 = "{% set loop_messages = messages %}{% for message in loop_messages %}"
            + "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] "
            + "| trim + '<|eot_id|>' %}"
            + "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";
    private static final String ZEPHYR = "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
            + "{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n"
            + "{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n"
            + "{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and "
                    + "add_generation_prompt %}\n"
            + "{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}";
    private static final String LLAMA2_CHAT =
            "<s>[INST] <<SYS>>\nBe brief.\n\n<</SYS>>\n\n  What is {{ x }} {% if %}? [/INST] "
            + "An <b> \"answer\" </s><s>[INST] 你好 😀 [/INST]";

    @TempDir
    private Path folder;

    @Test
    void llama2RendersAsTransformers() {
        assertEquals(LLAMA2_CHAT, template(LLAMA2).render(CHAT, true));
        assertEquals("<s>[INST] What is {{ x }} {% if %}? [/INST]", template(LLAMA2).render(QUESTION, false));
    }

    @Test
    void llama3RendersAsTransformers() {
        assertEquals(
                "<s><|start_header_id|>system<|end_header_id|>\n\nBe "
                + "brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
                + "What is {{ x }} {% if %}?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nAn <b> "
                        + "\"answer\"<|eot_id|>"
                + "<|start_header_id|>user<|end_header_id|>\n\n你好 "
                        + "😀<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
                template(LLAMA3).render(CHAT, true));
        assertEquals("<s><|start_header_id|>user<|end_header_id|>\n\nWhat is {{ x }} {% if %}?<|eot_id|>",
                template(LLAMA3).render(QUESTION, false));
    }

    @Test
    void zephyrRendersAsTransformers() {
        assertEquals(
                "<|system|>\nBe brief.\n</s>\n<|user|>\n  What is {{ x }} {% if %}?\u3000</s>\n<|assistant|>\n An <b> "
                + "\"answer\" </s>\n"
                + "<|user|>\n你好 😀</s>\n<|assistant|>\n", template(ZEPHYR).render(CHAT, true));
    }

    @Test
    void aFolderWithoutATemplateUsesLlama2s() throws IOException {
        TinyTokenizers.sentencePiece(folder);
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            ChatTemplate template = ChatTemplate.open(folder, tokenizer);
            assertEquals(LLAMA2_CHAT, template.render(CHAT, true));
            assertEquals("<s>[INST] What is {{ x }} {% if %}? [/INST]", template.render(QUESTION, false));
            int[] ids = template.encode(tokenizer, CHAT, true);
            assertEquals(2, IntStream.of(ids).filter(id -> id == 1).count());
            assertEquals(1, ids[0]);
            assertTrue(ids[1] != 1);
            refused("found system", () -> template.render(List.of(Message.user("a"), Message.system("b")), true));
        }
    }

    @Test
    void prependsOneBosIfTheTemplateWritesNone() throws IOException {
        TinyTokenizers.byteLevel(folder);
        Files.writeString(folder.resolve("tokenizer_config.json"),
                "{\"bos_token\":\"<|begin|>\",\"eos_token\":\"<|end|>\"}");
        Path jinja = Files.writeString(folder.resolve("chat_template.jinja"), "{{ messages[0].content }}\n");
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            int[] expected = {0, 3 + 'h', 3 + 'i'};
            assertArrayEquals(expected, ChatTemplate.open(folder, tokenizer)
                    .encode(tokenizer, List.of(Message.user("hi")), false));
            Files.writeString(jinja, "{{ bos_token ~ messages[0].content }}\n");
            assertArrayEquals(expected, ChatTemplate.open(folder, tokenizer)
                    .encode(tokenizer, List.of(Message.user("hi")), false));
        }
    }

    @Test
    void findsTheTemplateInTheFilesOfTransformers() throws IOException {
        TinyTokenizers.byteLevel(folder);
        Files.writeString(folder.resolve("tokenizer_config.json"),
                "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"x\"},{\"name\":\"default\","
                        + "\"template\":\"listed\"}]}");
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertEquals("listed", ChatTemplate.open(folder, tokenizer).source());
            Files.writeString(folder.resolve("chat_template.json"), "{\"chat_template\":\"of json\"}");
            assertEquals("of json", ChatTemplate.open(folder, tokenizer).source());
            Files.writeString(folder.resolve("chat_template.jinja"), "of jinja");
            assertEquals("of jinja", ChatTemplate.open(folder, tokenizer).source());
        }
    }

    @Test
    void minimind2SmallRendersAndEncodesAsTransformers() {
        Path model = TestFolders.model("minimind2-small");
        try (Tokenizer tokenizer = Tokenizers.open(model)) {
            ChatTemplate template = ChatTemplate.open(model, tokenizer);
            assertEquals(
                    "<|im_start|>system\nBe brief.\n<|im_end|>\n<|im_start|>user\n  What is {{ x }} {% if "
                    + "%}?\u3000<|im_end|>\n"
                    + "<|im_start|>assistant\n An <b> \"answer\" <|im_end|>\n<|im_start|>user\n你好 "
                            + "😀<|im_end|>\n<|im_start|>assistant\n",
                    template.render(CHAT, true));
            assertEquals(
                    "<|im_start|>system\nYou are a helpful assistant<|im_end|>\n<|im_start|>user\n  What is {{ x }} "
                    + "{% if %}?\u3000<|im_end|>\n", template.render(QUESTION, false));
            assertArrayEquals(new int[] {1, 85, 736, 201, 59, 292, 389, 260, 3836, 1861, 501, 2, 201, 1, 320, 275, 201,
                    3526, 370, 276, 3167,
                2777, 303, 6091, 697, 33, 2, 201, 1, 1078, 538, 501, 201},
                template.encode(tokenizer, List.of(Message.user("What is the capital of France?")), true));
        }
    }

    /** Each line contains the expected text and a template, which is rendered with QUESTION and the answer in CHAT. */
    @ParameterizedTest
    @CsvSource(delimiter = '¦', quoteCharacter = '`', ignoreLeadingAndTrailingWhitespace = false, textBlock = """
            2¦{% set ns = namespace(a=messages|length - 1) %}{% for m in messages %}{% set ns.a = ns.a + 1 %}{% endfor %}{{ ns.a - 1 }}
            assistant,user¦{{ messages[::-1] | map(attribute='role') | join(',') }}
            ab|de|c|ace|edcba¦{% set t = 'abcde' %}{{ t[:2] }}|{{ t[-2:] }}|{{ t[2] }}|{{ t[::2] }}|{{ t[::-1] }}
            1😀2¦{{ '1😀😀2'[:2] }}{{ '2' }}
            TrueFalse¦{{ true }}{{ messages[0].content is not string }}
             a  b  c ¦ {{ 'a' }} {% if true %} b {% endif %} c {% if false %} d {% endif %}
            a|b¦{{ 'a,b'.split(',') | join('|') }}
            x.y¦{{ 'x|y'.split('|')[0] }}.{{ 'x|y'.split('|')[-1] }}
            none here¦{{ 'none here' if messages[0].get('tool_calls') is none and 'tool_calls' not in messages[0] }}
            {"role": "assistant", "content": " An <b> \\"answer\\" "}¦{{ messages[1] | tojson }}
            yes¦{% if messages[0].content.strip().startswith('What') and not messages[0].content.endswith('x') %}yes{% endif %}
            role=user ¦{% for k, v in messages[0] | items %}{% if k == 'role' %}{{ k }}={{ v }} {% endif %}{% endfor %}
            {"a": {}}¦{{ '{"a": {}}' }}
            <qz><qw>¦{% macro f(a, b='z') %}<{{ a }}{{ b }}>{% endmacro %}{{ f('q') }}{{ f('q', b='w') }}
            0/1 assistant TrueTrue;0/1 user TrueTrue;¦{% for m in messages[::-1] %}{% for n in messages if n.role == m.role and 'x' not in n.role %}{{ loop.index0 }}/{{ loop.length }} {{ n.role }} {{ loop.first }}{{ loop.last }};{% endfor %}{% endfor %}
            role=user!¦{% for k, v in messages[0].items() if k != 'content' %}{{ k }}={{ v }}{{ '!' if loop.last }}{% endfor %}
            on off FalseTruex¦{{ 'on' if missing | default(true) }} {{ 'on' if missing | default(false) else 'off' }} {{ missing | default(false) }}{{ '' | default(true, true) }}{{ 'x' | d('y') }}
            [said]¦{% generation %}[said]{% endgeneration %}
            """)
    void rendersAsJinja2(String expected, String source) {
        assertEquals(expected, template(source).render(CHAT.subList(1, 3), true));
    }

    @Test
    void removesWhiteSpaceAsJinja2() {
        assertEquals("a\n  indented\nb", template("a\n{# a comment #}\n  {% if true %}\n  indented\n  {% endif %}\nb\n")
                .render(CHAT, true));
        assertEquals("a bxc\n", template("a {#- c -#} {{- ' b' }}{{- 'x' -}} c\n\n").render(CHAT, true));
        assertEquals("1\n\n<s>   q r",
                template("{{ 1 }}\n\n{{ bos_token }}   {% if true %}q {% endif -%}  \n {{ 'r' }}").render(CHAT, true));
        assertEquals("  keep", template("  {%+ if true %}keep{% endif %}\n").render(CHAT, true));
        assertEquals("x{{ y }}z", template("x {%- raw -%} {{ y }} {%- endraw -%} z").render(CHAT, true));
        assertEquals("a\nb\n\nc", template("{{'a'}}\r\n{{'b'}}\n\n{{'c'}}").render(CHAT, true));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '¦', quoteCharacter = '`', value = {
        "a for loop with an if is supported only as¦{% for (a, b) in messages if a %}{{ b }}{% endfor %}",
        "it calls strftime_now, so the prompt would depend on the date¦{{ strftime_now('%Y') }}",
        "today is not supported¦{{ today() }}",
        "unixtimestamp is not supported¦{{ unixtimestamp() }}",
        "today is not supported¦x{% if true %}{{ today() }}{% endif %}",
        "datetimeformat is not supported¦{% set x = datetimeformat(1) %}",
        "a for loop's else is not supported¦{% for m in [] %}x{% else %}y{% endfor %}",
        "filter urlize is not supported¦{{ 'x' | urlize }}",
        "No system here¦{{ raise_exception('No ' + messages[0].role + ' here') }}",
        "a string's format with 1 arguments is not supported¦{{ 'x{}'.format(1) }}",
        "Unknown tag: frobnicate¦{% frobnicate %}",
        "does not end¦{{ 'a'",
        "raw has no endraw¦{% raw %} x",
        "include¦{% include 'x' %}",
    })
    void refusesConstructsThatItWouldRenderDifferently(String expected, String source) {
        refused(expected, () -> template(source).render(CHAT, true));
    }

    private static ChatTemplate template(String source) {
        return new ChatTemplate("chat_template.jinja", source, Map.of("bos_token", "<s>", "eos_token", "</s>"));
    }

    private static void refused(String expected, Executable call) {
        String message = assertThrows(InputException.class, call).getMessage();
        assertTrue(message.contains("chat template: ") && message.contains(expected), message);
        assertEquals(1, message.lines().count(), message);
    }
}
