package org.ingrain.tokenizer;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SplitRegexTest {
    /** Patterns of GPT-2, Llama 3 (two forms), Qwen2, o200k, Tekken, DeepSeek (LLM, Coder, V3) and the lab model. */
    @ParameterizedTest
    @ValueSource(strings = {
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
            + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
            + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
            + "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
            + "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
            + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|\\p{N}|\\s+",
        "[\r\n]", "\\s?[A-Za-z\u00b5\u00c0-\u00d6\ud801\udc00-\ud801\udc4f]+", "\\s?[!-/:-~\uff01-\uff0f]+", "\\s+$",
        "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", "\\s?\\p{P}+", "\\p{N}",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
            + "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        " ?[A-Za-z]+| ?[^A-Za-z\\s]|\\s",
    })
    void knowsThePublishedPreTokenizers(String regex) {
        assertTrue(SplitRegex.isKnown(regex), regex);
    }

    /**
     * Tests unknown patterns: with exponential or cubic time, empty matches, lookbehind, back references or invalid
     * syntax.
     */
    @ParameterizedTest
    @ValueSource(strings = {"(a|aa)+$|(a+)+b", "(a+)+b", "a*a*a*b", "\\w+\\w+x", "a?a?a?aaa", "a{1,9}b", "a*", "a|",
        "", "x?", "(?<=a)b+", "(a)\\1", "(?=a+)b", "a++", "a+?", "[a", "(a", "a)", "(?i:a|b)+", "(?i:a+)", "\\p{L",
        "a{1,3}{2}", "*a"})
    void doesNotKnowOthers(String regex) {
        assertFalse(SplitRegex.isKnown(regex), regex);
    }
}
