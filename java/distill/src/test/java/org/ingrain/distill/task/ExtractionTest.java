package org.ingrain.distill.task;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is found in texts as models write them; an empty expectation means that nothing is. */
class ExtractionTest {
    private static final Example LETTERS =
            new Example("1", "Take the last letters of the words in \"Edgar Bob\" and concatenate them.", "rb");
    private static final Example COIN = new Example("1", "A coin is heads up. A flips the coin. B flips the coin. Is the coin still heads up?",
            "yes");
    private static final Example NINE = new Example("1", "Which?\n\n" + Stream.of("ABCDEFGHI".split("")).map(letter -> "(" + letter + ") it is "
            + letter).collect(Collectors.joining("\n")), null);
    private static final Example TWO = new Example("1", "Which?\n(A) this\n(B) that", null);

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            rb | rb
            "rb" | rb
            RB. | rb
            r-b | 
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
            They are "r", "b". | b
            """)
    void lastLetters(String text, String expected) {
        assertEquals(Optional.ofNullable(expected), new LastLetter(2).extract(LETTERS, text));
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
            c | 
            The answer is c. | 
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
            """)
    void numbers(String text, String expected) {
        assertEquals(Optional.ofNullable(expected), AnswerFormat.NUMBER.extract(text));
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
}
