package org.ingrain.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests tokenizer.json files for which the tokenizers library aborts its process or never returns. */
class HostileTokenizersTest {
    private static final String PRE_TOKENIZER = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
            + "\"trim_offsets\":true,\"use_regex\":true}";

    @TempDir
    private Path folder;

    /** Each line has the expected message, the field that is replaced and its new value. */
    @ParameterizedTest
    @CsvSource(delimiter = '¦', quoteCharacter = '`', textBlock = """
            normalizer: has the type 'Bomb', expected one of [BertNormalizer¦normalizer¦{"type":"Bomb"}
            normalizer: is "NFC", expected an object¦normalizer¦"NFC"
            normalizer: has the type ''¦normalizer¦{}
            normalizer: is a Sequence without normalizers¦normalizer¦{"type":"Sequence","normalizers":1}
            normalizer: Replace: has the pattern {"String":""}¦normalizer¦{"type":"Replace","pattern":{"String":""},"content":"x"}
            normalizer: Replace: has the pattern ,¦normalizer¦{"type":"Replace","content":"x"}
            content is 7, expected a string¦normalizer¦{"type":"Replace","pattern":{"String":"a"},"content":7}
            normalizer: Replace: expands one character to more than 64¦normalizer¦{"type":"Sequence","normalizers":[{"type":"Replace","pattern":{"String":"a"},"content":"aaaaaaaaa"},{"type":"Replace","pattern":{"String":"a"},"content":"aaaaaaaaa"}]}
            strip_left is "yes", expected true or false¦normalizer¦{"type":"Strip","strip_left":"yes","strip_right":true}
            normalizer: has a lone surrogate in a string¦normalizer¦{"type":"Prepend","prepend":"\\ud800"}
            normalizer: has a number that is too large for a double¦normalizer¦{"type":"NFC","x":1e999}
            pre_tokenizer: has the length 0, expected 1 or more¦pre_tokenizer¦{"type":"FixedLength","length":0}
            pre_tokenizer: Split: has the pattern {"Regex":""}¦pre_tokenizer¦{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":""},"behavior":"Isolated","invert":false}]}
            replacement is "ab", expected one character¦pre_tokenizer¦{"type":"Metaspace","replacement":"ab","prepend_scheme":"first","split":false}
            single has the piece {"Sequence":{"id":"B"¦post_processor¦{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B","type_id":0}}],"pair":[],"special_tokens":{}}
            post_processor: special_tokens lacks 'x'¦post_processor¦{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}}],"pair":[],"special_tokens":{}}
            special_tokens: has the id 4000000000, expected 0 to 16777216¦post_processor¦{"type":"TemplateProcessing","single":[],"pair":[],"special_tokens":{"x":{"id":"x","ids":[4000000000],"tokens":["x"]}}}
            expected as many ids as tokens¦post_processor¦{"type":"TemplateProcessing","single":[],"pair":[],"special_tokens":{"x":{"id":"x","ids":[],"tokens":["x"]}}}
            post_processor: sep: has the id -1, expected 0 to 16777216¦post_processor¦{"type":"BertProcessing","sep":["x",-1],"cls":["x",1]}
            """)
    void refusesAnInvalidComponent(String expected, String field, String value) throws IOException {
        write(field, value);
        refused(expected, () -> Tokenizers.open(folder));
    }

    @Test
    void refusesDeepNestingAndDropout() throws IOException {
        write("junk", "[".repeat(100) + "]".repeat(100));
        refused("junk: nests deeper than 64 levels", () -> Tokenizers.open(folder));
        write("junk", "1", "\"dropout\":null", "\"dropout\":0.1");
        refused("model: has dropout, expected none", () -> Tokenizers.open(folder));
        write("junk", "1", "\"type\":\"BPE\"", "\"type\":\"WordPiece\"");
        refused("model: has the type 'WordPiece', expected BPE", () -> Tokenizers.open(folder));
    }

    @Test
    void validComponentsAreAccepted() throws IOException {
        write("post_processor", "{\"type\":\"BertProcessing\",\"sep\":[\"<|end|>\",1],\"cls\":[\"<|begin|>\",0]}");
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertArrayEquals(new int[] {0, 3 + 'a', 1}, tokenizer.encode("a", true));
        }
    }

    /** If the library crashes the child process, the Java process continues and starts another child process. */
    @Test
    void aCrashOfTheLibraryIsOneLine() throws IOException {
        write("normalizer", "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}");
        refused("the tokenizers library crashed while it loaded the file", () -> Tokenizers.open(folder));
        write("pre_tokenizer", split("(a|aa)+$|(a+)+b"));
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            assertArrayEquals(new int[] {3 + 'a', 3 + 'b'}, tokenizer.encode("ab", false));
            refused("tokenizer.json: the tokenizers library crashed while it encoded a text of 41 characters",
                    () -> tokenizer.encode("a".repeat(40) + "c", false));
            assertArrayEquals(new int[] {3 + 'b', 3 + 0xC3, 3 + 0xA9}, tokenizer.encode("bé", false));
        }
    }

    @Test
    void aTimeLimitEndsTheLibrary() throws IOException {
        write("pre_tokenizer", split("(?=(a+)+$)a"));
        try (EncoderProcess process = new EncoderProcess("tokenizer.json",
                Files.readAllBytes(folder.resolve("tokenizer.json")), Duration.ofSeconds(2))) {
            assertArrayEquals(new int[] {3 + 'a'}, process.encode("a", false));
            refused("took more than 2 s while it encoded a text of 42000 characters",
                    () -> process.encode(("a".repeat(20) + "c").repeat(2000), false));
        }
    }

    private static String split(String regex) {
        return "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" + regex
                + "\"},\"behavior\":\"Isolated\",\"invert\":false}," + PRE_TOKENIZER.replace("\"use_regex\":true",
                        "\"use_regex\":false") + "]}";
    }

    /**
     * Writes the small byte-level tokenizer with a new value of one field and with further replacements.
     * {@code replaced} contains pairs: a text of the file and its replacement.
     */
    private void write(String field, String value, String... replaced) throws IOException {
        String json = Files.readString(TinyTokenizers.byteLevel(folder));
        int start = json.indexOf("\"post_processor\":");
        json = switch (field) {
            case "normalizer" -> json.replace("\"normalizer\":null", "\"normalizer\":" + value);
            case "pre_tokenizer" -> json.replace(PRE_TOKENIZER, value);
            case "post_processor" -> json.substring(0, start) + "\"post_processor\":" + value + ","
                    + json.substring(json.indexOf("\"decoder\":"));
            default -> json.replace("\"version\"", "\"" + field + "\":" + value + ",\"version\"");
        };
        for (int i = 0; i < replaced.length; i += 2) {
            assertTrue(json.contains(replaced[i]), replaced[i]);
            json = json.replace(replaced[i], replaced[i + 1]);
        }
        Files.writeString(folder.resolve("tokenizer.json"), json);
    }

    private static void refused(String expected, Executable call) {
        String message = assertThrows(InputException.class, call).getMessage();
        assertTrue(message.contains(expected), message);
        assertEquals(1, message.lines().count(), message);
    }
}
