package org.ingrain.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.ingrain.tensor.TestFolders;
import org.junit.jupiter.api.Test;

class RealTokenizersTest {
    /** Golden ids: transformers 5.18, AutoTokenizer. */
    @Test
    void minimind2SmallEncodesAsTransformers() {
        try (Tokenizer tokenizer = Tokenizers.open(TestFolders.model("minimind2-small"))) {
            assertEquals(6400, tokenizer.vocabSize());
            assertEquals(OptionalInt.of(1), tokenizer.bosId());
            assertEquals(List.of(2), tokenizer.eosIds());
            ids(tokenizer, "Hello world", 42, 392, 338, 1636);
            ids(tokenizer, "Once upon a time, there was a little girl named Lily.", 49, 3321, 734, 1042, 260, 1100, 14,
                    1072, 889, 260, 6081, 362, 386, 78, 358, 431, 298, 884, 1813, 16);
            ids(tokenizer, " one", 1508);
            ids(tokenizer, "  two leading spaces", 223, 3143, 2948, 1120, 3331);
            ids(tokenizer, "你好，世界！今天天气怎么样？", 5134, 270, 2219, 2207, 4668, 3858, 5027, 1355, 814);
            ids(tokenizer, "emoji 😀👍🏽 end", 482, 81, 76, 75, 223, 175, 256, 249, 225, 175, 256, 242, 238, 175, 256, 240,
                    124, 2651);
            ids(tokenizer, "a\nb\n\nc\t d\n", 67, 201, 68, 201, 201, 69, 200, 302, 201);
            ids(tokenizer, "naïve café — “quoted”", 80, 67, 130, 110, 319, 272, 1397, 4100, 223, 3181, 3934, 497, 356,
                    298, 1025);
            ids(tokenizer, "def f(x):\n    return x**2  # 1234567890", 4793, 296, 10, 90, 2566, 1187, 3170, 3655, 4276,
                    20, 223, 2977, 4937, 21, 22, 23, 24, 25, 26, 27, 18);
            ids(tokenizer, "<|im_start|>user\nhi<|im_end|>\n", 1, 320, 275, 201, 74, 75, 2, 201);
            ids(tokenizer, "tail  ", 86, 987, 307);
            ids(tokenizer, "");
        }
    }

    private static void ids(Tokenizer tokenizer, String text, int... expected) {
        assertArrayEquals(expected, tokenizer.encode(text, true),
                () -> text + " " + Arrays.toString(tokenizer.encode(text, true)));
        assertEquals(text, tokenizer.decode(expected, false));
    }

    /**
     * Golden ids: transformers 5.18, LlamaTokenizer(legacy=True, add_bos_token=True). For leading and repeated spaces,
     * this tokenizer disagrees with SentencePiece 0.2.2, which was used to train the model. For such texts, the golden
     * ids are BOS followed by SentencePiece's ids.
     */
    @Test
    void stories15MEncodesAsLlama2() {
        try (Tokenizer tokenizer = Tokenizers.open(TestFolders.model("stories15M"))) {
            assertEquals(32000, tokenizer.vocabSize());
            assertEquals(List.of(1, 2), tokenizer.eosIds());
            bosAnd(tokenizer, "Hello world", 15043, 3186);
            bosAnd(tokenizer, "Once upon a time, there was a little girl named Lily.", 9038, 2501, 263, 931, 29892, 727,
                    471, 263, 2217, 7826, 4257, 365, 2354, 29889);
            bosAnd(tokenizer, " one", 29871, 697);
            bosAnd(tokenizer, "  two leading spaces", 259, 1023, 8236, 8162);
            bosAnd(tokenizer, "你好，世界！今天天气怎么样？", 29871, 30919, 31076, 30214, 30793, 30967, 30584, 31482, 30408, 30408,
                    233, 179, 151, 233, 131, 145, 31882, 31819, 30882);
            bosAnd(tokenizer, "emoji 😀👍🏽 end", 953, 29877, 2397, 29871, 243, 162, 155, 131, 243, 162, 148, 144, 243,
                    162, 146, 192, 1095);
            bosAnd(tokenizer, "a\nb\n\nc\t d\n", 263, 13, 29890, 13, 13, 29883, 12, 270, 13);
            bosAnd(tokenizer, "naïve café — “quoted”", 1055, 30085, 345, 274, 28059, 813, 1346, 339, 5715, 30024);
            bosAnd(tokenizer, "def f(x):\n    return x**2", 822, 285, 29898, 29916, 1125, 13, 1678, 736, 921, 1068,
                    29906);
            bosAnd(tokenizer, "tail  ", 12464, 259);
            bosAnd(tokenizer, "");
        }
    }

    @Test
    void stories15MEncodesSpecialTokensAsSingleIds() {
        try (Tokenizer tokenizer = Tokenizers.open(TestFolders.model("stories15M"))) {
            int[] expected = {1, 518, 25580, 29962, 6324, 518, 29914, 25580, 29962, 4874, 29871, 2, 1, 518, 25580,
                    29962, 901, 518, 29914,
                25580, 29962};
            assertArrayEquals(expected, tokenizer.encode("<s>[INST] Hi [/INST] yes </s><s>[INST] more [/INST]", false));
            assertEquals("[INST] Hi [/INST] yes  [INST] more [/INST]", tokenizer.decode(expected, true));
            assertEquals("<s> [INST]", tokenizer.decode(new int[] {1, 518, 25580, 29962}, false));
        }
    }

    private static void bosAnd(Tokenizer tokenizer, String text, int... expected) {
        assertArrayEquals(expected, tokenizer.encode(text, false),
                () -> text + " " + Arrays.toString(tokenizer.encode(text, false)));
        int[] whole = tokenizer.encode(text, true);
        assertEquals(1, whole[0]);
        assertArrayEquals(expected, Arrays.copyOfRange(whole, 1, whole.length));
        assertEquals(text, tokenizer.decode(whole, true));
    }
}
