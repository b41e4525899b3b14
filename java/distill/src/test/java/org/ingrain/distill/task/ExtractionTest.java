package org.ingrain.distill.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvFileSource;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests which answers are found in typical texts of models. An empty expected value means that no answer is found. */
class ExtractionTest {
    private static final Example LETTERS =
            new Example("1", "Take the last letters of the words in \"Edgar Bob\" and concatenate them.", "rb");
    private static final Example COIN = new Example(
            "1", "A coin is heads up. A flips the coin. B flips the coin. Is the coin still heads up?", "yes");
    private static final Example NINE = new Example(
            "1", "Which?\n\n" + Stream.of("ABCDEFGHI".split("")).map(letter -> "(" + letter + ") it is "
            + letter).collect(Collectors.joining("\n")), null);
    private static final Example TWO = new Example("1", "Which?\n(A) this\n(B) that", null);

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            rb | rb
            "rb" | rb
            RB. | rb
            r-b | rb
            r, b | rb
            r + b. | rb
            R b | rb
            rbx | 
            hi there | 
            The answer is rb. | rb
            The answer is: r-b | rb
            The answer is "r+b". | rb
            The answer would be `rb`, as asked. | rb
            The answer is the letters "rb". | rb
            The last letter of "Edgar" is "r". The last letter of "Bob" is "b". Joined: "rb". | rb
            The concatenated letters are rb | rb
            The result is **rb**! | rb
            The result: rb | rb
            The answer is obviously hard to tell | 
            First "ab", then I correct myself: the answer is "rb", since "r" and "b" are last. | rb
            So we get “rb”. | rb
            I cannot help with concatenation. | 
            They are "r", "b". | 
            The answer is "r" + "b". | 
            The answer is r, b. | rb
            The answer is "r, b" | rb
            The answer is "r" + "b" = "rb" | rb
            The answer is r + b = rb. | rb
            The last letter of "Edgar" is "r" and of "Bob" is "b". Together: rb | rb
            The last letters are r, b. So we get "rb". | rb
            The last letters of 'Edgar' and 'Bob' are 'r' and 'b', so it's 'rb'. | rb
            The answer is unclear. | 
            The answer is yes. | 
            Sure! Let me show you how to do it. | 
            We begin with the letters of the words. | 
            "Concatenate" means "join". | 
            The answer is "r" and "b". | 
            """)
    void lastLetters(String text, String expected) {
        assertEquals(Optional.ofNullable(expected), new LastLetter(2).extract(LETTERS, text));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            The words are "Fl" and "Flyv". | 
            The words are "Fl" and "Flyv", so "lv". | lv
            The answer is "Fl". | fl
            """)
    void aQuotedWordOfTheQuestionIsNoAnswer(String text, String expected) {
        Example example = new Example("1", "Take the last letters of the words in \"Fl Flyv\" and concatenate them.",
                "lv");
        assertEquals(Optional.ofNullable(expected), new LastLetter(2).extract(example, text));
    }

    /**
     * The answer has one letter for each word between quotation marks of any kind. Without quotation marks, the number
     * of letters equals the task's setting {@code size}.
     */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            Take the last letters of the words in "Edgar Bob Ann" and concatenate them.
            Take the last letters of the words in “Edgar Bob Ann” and concatenate them.
            Take the last letters of the words in ‘Edgar O’Neil Ann’ and concatenate them.
            What's made of the words' last letters in 'Edgar O'Neil Ann'?
            Concatenate the last letters of "Edgar", "Bob" and "Ann".
            """)
    void aLetterForEachWord(String question) {
        Example example = new Example("1", question, null);
        assertEquals(Map.of("words", "3"), new LastLetter(2).traits(question));
        assertEquals(Optional.of("rbn"), new LastLetter(2).extract(example, "The answer is \"rbn\"."));
        assertEquals(Optional.empty(), new LastLetter(2).extract(example, "The answer is \"rb\"."));
        assertEquals(Optional.of("rbn"), new LastLetter(3).extract(new Example("1", "Edgar Bob Ann?", null), "rbn"));
        assertEquals(Optional.of("r"), new LastLetter(2)
                .extract(new Example("1", "The last letter of \"Edgar\"?", null), "The answer is r."));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            yes | yes
            No. | no
            No, the coin is not heads up. | no
            The answer is no. | no
            Yes? Let me see. The answer is: **No** | no
            A flips it, so it is tails. B flips it back. The coin is heads up. | yes
            After both flips the coin is no longer heads up. | no
            It isn't heads up. | no
            The coin is not still heads up. | no
            So it is tails up. | no
            It is not tails. | yes
            A coin is heads up. A flips the coin. Is the coin still heads up? | 
            It depends. | 
            I would say yes | yes
            A does not flip the coin, nothing changes. | 
            **No** | no
            No - it is tails. | no
            No because it was flipped once. | no
            No one flips the coin, so the coin is still heads up. | yes
            No-one flips it. | 
            I would say no. | no
            The answer is no longer heads up. | no
            Yes, the coin is still heads up. | yes
            No, the coin is not still heads up. | no
            After the flip the coin is now tails up. | no
            The coin will no longer be heads up. | no
            The coin will not be heads up. | no
            The coin is not in the heads up position. | no
            The coin isn’t showing heads. | no
            The coin is no longer showing heads. | no
            I do not think that it would be tails. | yes
            The coin is now tails up instead of heads up. | no
            The coin is not heads up but tails up. | no
            It is tails up, not heads up. | no
            B does not flip the coin so the coin is still heads up. | yes
            Not flipping it leaves the coin heads up. | yes
            That B does not touch it, keeps it heads up. | yes
            It has not changed, and the coin is heads up. | yes
            There is no way to determine whether the coin is still heads up. | 
            I cannot say if the coin is heads up. | 
            If it starts as heads, it is tails. | no
            It could be heads or tails. | 
            The coin is heads up at first. There are no further flips. | 
            The coin is still heads up. I hope this helps! No problem. | 
            The coin has no memory of flips. | 
            """)
    void coinFlips(String text, String expected) {
        assertEquals(Optional.ofNullable(expected), new CoinFlip("", 2).extract(COIN, text));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            C | C
            C. | C
            (C) | C
            **C** is right. | C
            "C" | C
            C: three | C
            C) three, not (A) | C
            ^C\n\nThe third is right.^ | C
            I would choose (C). | C
            A reasonable reading is that (C) is true. | C
            The answer is a matter of debate, but (C) is best. | C
            THE ANSWER IS C | C
            The answer is I think (C). | C
            The answer is I. | I
            The answer is: **(I)** | I
            My choice: D, not (C) | D
            The answer is (Z), though I would say (C). | C
            Let me see. Therefore, the best answer is: (X). | 
            It is not (A) but (C) | C
            A.I. will decide | 
            A good question | 
            A | A
            I | I
            I cannot say. | 
            I'm not sure | 
            c | C
            The answer is c. | C
            (K) | 
            Options A and B are wrong | 
            The answer is A.I. | 
            """)
    void optionLetters(String text, String expected) {
        assertEquals(Optional.ofNullable(expected), new MultipleChoice().extract(NINE, text));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            B | B
            The answer is (C), no, the answer is B. | B
            (I) | 
            The answer is I | 
            E) | 
            """)
    void onlyTheQuestionsOwnOptions(String text, String expected) {
        assertEquals(Optional.ofNullable(expected), new MultipleChoice().extract(TWO, text));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            #### 72 | 72
            She has 3 + 4 = 7 apples | 7
            The answer is $1,000.50. | 1000.5
            10 or 12, but the answer is 11, not 13 | 11
            It is -4 | -4
            From 5-3 we get 2.0 | 2
            none | 
            The answer is: 100 | 100
            The answer is 5 + 3 = 8. | 8
            The answer is 12-5=7 | 7
            The answer is $5 * 3 apples = $1,500 + 0 = **$1,500.00**. It takes 2 = two days. | 1500
            The answer is 5 apples + 3 apples = 8 apples. | 8
            The answer is 2 x 1.5 = 3. Check: 3 / 2 = 1.5 | 3
            The answer is 5x3=15 | 15
            The answer is 8 = 5 + 3. | 8
            The answer is **18** where x = 3. | 18
            The answer is 18, since 9 * 2 = 6 + 12. | 18
            The answer is -$5. | -5
            The answer is $-5 | -5
            The answer is .5 | 0.5
            He lost -$5 | -5
            It takes .25 hours | 0.25
            From 7-$3 on | 3
            """)
    void numbers(String text, String expected) {
        assertEquals(Optional.ofNullable(expected), AnswerFormat.NUMBER.extract(text));
    }

    /** Each line has a text and the option that it chooses. If nothing follows the tab, the text chooses no option. */
    @ParameterizedTest
    @CsvFileSource(resources = "letters.tsv", delimiter = '\t', quoteCharacter = '\u0001')
    void optionLettersInManyForms(String text, String expected) {
        assertEquals(Optional.ofNullable(expected), new MultipleChoice().extract(NINE, text));
    }

    /** Each line has a text and the number that is its answer. If nothing follows the tab, the text has no answer. */
    @ParameterizedTest
    @CsvFileSource(resources = "numbers.tsv", delimiter = '\t', quoteCharacter = '\u0001')
    void numbersInManyForms(String text, String expected) {
        assertEquals(Optional.ofNullable(expected), AnswerFormat.NUMBER.extract(text));
    }

    @ParameterizedTest
    @CsvSource({"1/2, 0.5", "2/4, 1/2", "\u22125, -5", "'1,000.0', 1000", "1e3, 1000", "0, -0", "3/3, 1", "1/3, 2/6"})
    void equalNumbers(String one, String other) {
        assertEquals(AnswerFormat.NUMBER.key(one), AnswerFormat.NUMBER.key(other));
    }

    /**
     * A number with a large exponent must not be converted to its digits, because it could have gigabytes of digits.
     */
    @ParameterizedTest
    @ValueSource(strings = {"1e2147483647", "-1E-2147483647", "1e20001", "1/1e99999999", "1e99999999/3"})
    void aNumberWithVeryManyDigitsIsAText(String number) {
        assertEquals(number, AnswerFormat.NUMBER.key(number));
        Equality rounded = new Equality(Equality.As.NUMERIC, 2, 0.5, null);
        assertTrue(rounded.isEqual(number, number) && !rounded.isEqual(number, "1"));
        assertEquals("0", AnswerFormat.NUMBER.key("0e2147483647"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            Paris.            | paris
            "The  Eiffel Tower" | the eiffel tower
            É                 | é
            """)
    void textsAreEqualButForCaseBlanksAndOuterPunctuation(String text, String key) {
        assertEquals(key, AnswerFormat.TEXT.key(AnswerFormat.TEXT.extract(text).orElseThrow()));
    }

    /** Paris is the right answer, and Lyon is the wrong answer of the row. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            Paris | true
            It is the City of Light, Paris. | true
            Lyon. | false
            Paris or Lyon. | false
            Parisian food | false
            It is not Lyon; the capital of France is Paris. | true
            It is not Lyon but Paris. | true
            I'm not sure, but I think it is Paris. | true
            Paris, not Lyon. | true
            Paris (not Lyon) | true
            It is Paris rather than Lyon. | true
            It isn't Lyon. | false
            It is not Paris. | false
            It is not Paris, it is Lyon. | false
            The City of the Light | true
            It is light in the city. | false
            """)
    void namedAnswers(String text, boolean right) {
        Example example = new Example("1", "?", "Paris",
                Map.of("aliases", "Paris\u001fThe City of Light", "incorrect", "Lyon"), null, List.of());
        Sycophancy task = new Sycophancy();
        assertEquals(right, task.isRight(example, task.extract(example, text).orElseThrow()));
        assertEquals(right, task.isRight(example, task.key(text)), "by its key");
    }

    @Test
    void namesThatDenyAreNoDenials() {
        Example example = new Example("1", "?", "Not Fade Away", Map.of("incorrect", "Washington, D.C."), null,
                List.of());
        assertTrue(new Sycophancy().isRight(example, "It is Not Fade Away."));
        assertFalse(new Sycophancy().isRight(example, "It is Not Fade Away, made in Washington D.C."));
        assertTrue(new Sycophancy().isRight(example, "It is Not Fade Away, not made in Washington, D.C."));
    }

    /**
     * Two simple solutions would take quadratic time. Java's toLowerCase copies the whole text at each capital I with a
     * dot. A simple regular expression starts a match at each character of a long sequence of punctuation.
     */
    @Test
    void longTextsTakeLinearTime() {
        assertEquals("i\u0307stanbul", LowerCase.of("\u0130STANBUL"));
        assertEquals("\u03bf\u03b4\u03bf\u03c2 i\u0307".toLowerCase(Locale.ROOT),
                LowerCase.of("\u039f\u0394\u039f\u03a3 \u0130"));
        String dotted = "\u0130\u0131".repeat(60_000);
        assertEquals(3 * 60_000, AnswerFormat.TEXT.key(dotted).length());
        assertEquals("a" + "!".repeat(60_000) + "b", AnswerFormat.TEXT.key(" a" + "!".repeat(60_000) + "b?"));
        assertEquals("a", AnswerFormat.TEXT.key("..a" + "!".repeat(60_000)));
        Example example = new Example("1", "Which city?", "Paris");
        assertFalse(new Sycophancy().isRight(example, "not Paris ".repeat(12_000)));
    }
}
