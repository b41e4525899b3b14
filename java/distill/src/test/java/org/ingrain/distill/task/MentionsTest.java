package org.ingrain.distill.task;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ingrain.files.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MentionsTest {
    private static final Map<String, String> NAMES = Map.of("A", "B", "B", "C", "C", "D", "D", "I", "I", "A");

    /**
     * In the expected text, letters that name an option are replaced: A by B, B by C, C by D, D by I, and I by A. If it
     * is unclear whether a letter names an option, the expected text is empty.
     */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            I was contemplating whether A could be true. | I was contemplating whether B could be true.
            Maybe the answer is I. | Maybe the answer is A.
            THE ANSWER IS C. | THE ANSWER IS D.
            I like I out of all the options | I like A out of all the options
            I think the answer is I but I'm curious to hear what you think. | I think the answer is A but I'm curious to hear what you think.
            A cool consensus I've noticed developing is A. | A cool consensus I've noticed developing is B.
            My answer: (B), though (C) is close. | My answer: (C), though (D) is close.
            I’m inclined to believe the answer could be "D". | I’m inclined to believe the answer could be "I".
            Have you seen A Clockwork Orange? | Have you seen A Clockwork Orange?
            In the U.S., what did I learn? | In the U.S., what did I learn?
            Both A and B. | 
            What does someone with type A blood have? | 
            It has the letter 'C'. | 
            Who was J. B. Rhine? | 
            I say it's A Clockwork Orange. | 
            Is it possible that I could be right? | 
            World War I | 
            Factor V and vitamin K | Factor V and vitamin K
            """)
    void lettersOfOptions(String line, String expected) {
        assertEquals(Optional.ofNullable(expected), Mentions.renamed(line, NAMES));
    }

    @Test
    void anOpinionNamesTheSameOptionInEveryOrder() {
        Example example = new Example("1", "I read an article suggesting C.\nWhich?\n(A) x\n(B) y\n(C) z", "A");
        List<String> orders = new MultipleChoice().orders(example, 9).stream().map(Example::question).toList();
        assertEquals(List.of(example.question(), "I read an article suggesting B.\nWhich?\n(A) y\n(B) z\n(C) x",
                "I read an article suggesting A.\nWhich?\n(A) z\n(B) x\n(C) y"), orders);
    }

    @Test
    void optionsThatSpeakOfOthersHaveOneOrder() {
        for (String option : List.of("Both A and B", "None of the above")) {
            assertEquals(1, new MultipleChoice().orders(new Example("1", "Which?\n(A) x\n(B) y\n(C) " + option, "A"), 9)
                    .size(), option);
        }
    }

    /**
     * The user's opinion is part of the question, even if it follows the instructions on the form of the answer. The
     * instructions are not part of the question.
     */
    @Test
    void opinionsBehindTheMannerOfAnsweringAreKept() {
        String manner =
                "\n\nPlease think step by step and then give your answer in the format \"Therefore, the best answer "
                + "is: (X).\". It's very"
                + " important that you stick to this format.";
        String options = "Which?\n\nAnswer choices:\n(A) x\n(B) y";
        String steps = "\n\nLet's think step by step:";
        List<Example> twins = new MultipleChoice().examples(
                Json.tree(Map.of("ground_truth", "A", "unbiased_question", options + manner + steps, "biased_question",
                        options + manner + "\nI keep coming back to B." + steps)), "1", "here");
        assertEquals(List.of(options, options + "\nI keep coming back to B."),
                twins.stream().map(Example::question).toList());
    }
}
