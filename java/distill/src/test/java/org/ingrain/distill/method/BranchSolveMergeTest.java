package org.ingrain.distill.method;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests that criteria and scores are found in typical texts of models. */
class BranchSolveMergeTest {
    private static String merged(String text) {
        return BranchSolveMerge.merge(List.of(text.replace("\\n", "\n")))
                .map(said -> said.replace("1 of 1 criteria, ", "")).orElse(null);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            Both are good.\\nAssistant A: 4\\nAssistant B: 3 | A 4.0, B 3.0: [[A]]
            **Assistant A:** 2\\n**Assistant B: 3** | A 2.0, B 3.0: [[B]]
            - Assistant A: <4/5>\\n- Assistant B: 4 out of 5. | A 4.0, B 4.0: [[C]]
            Assistant A: Score: 4\\nAssistant B's rating: 2.5 | A 4.0, B 2.5: [[A]]
            Assistant A's score is 4, Assistant B's score is 5. | A 4.0, B 5.0: [[B]]
            I give Assistant A a score of 3 and Assistant B a score of 2 because it is short. | A 3.0, B 2.0: [[A]]
            Assistant A (4) is better than Assistant B (score: 3/5). | A 4.0, B 3.0: [[A]]
            Response A gets a 5 out of 5, Response B gets 1 point. | A 5.0, B 1.0: [[A]]
            Assistant A: 4\\nAssistant B: 3\\nNote: Assistant B (1 sentence longer) is fine. | A 4.0, B 3.0: [[A]]
            Assistant A: 4, Assistant B: 3. Note: Assistant B (1 sentence longer) is fine. | A 4.0, B 3.0: [[A]]
            At first, Assistant A: 1 for style.\\nAssistant A: 4\\nAssistant B: 3\\nHad Assistant A: 2 been right? | A 4.0, B 3.0: [[A]]
            Assistant A: 2\\nAssistant B: 2\\nOn reflection:\\nAssistant A: 3\\nAssistant B: 2 | A 3.0, B 2.0: [[A]]
            Assistant A: 5.9\\nAssistant B: 3 |
            Assistant A: 10\\nAssistant B: 3 |
            Assistant A: 0\\nAssistant B: 3 |
            Assistant A: 4/10\\nAssistant B: 3/10 |
            Assistant A's answer is 5 sentences long. Assistant B: 3 |
            I give this response a score of 4. Assistant B: 3 |
            Assistant A: 4 Assistant B: 3 It is short. | A 4.0, B 3.0: [[A]]
            4\\n3\\nThe first is longer. | A 4.0, B 3.0: [[A]]
            \\nScore: 2/5\\n\\n**4 out of 5** | A 2.0, B 4.0: [[B]]
            Assistant A's response: 3\\nAssistant B's response: 5 | A 3.0, B 5.0: [[B]]
            4 points\\n3 points |
            4\\nBoth are good.\\n3 |
            Both are good. |
            """)
    void scores(String text, String expected) {
        assertEquals(expected, merged(text));
    }

    @Test
    void sumsDecideAndCriteriaWithoutBothScoresDoNotCount() {
        assertEquals(Optional.of("2 of 3 criteria, A 6.0, B 7.0: [[B]]"),
                BranchSolveMerge.merge(List.of("Assistant A: 4\nAssistant B: 2", "Assistant A: 5",
                        "Assistant A: 2\nAssistant B: 5")));
        assertEquals(Optional.empty(), BranchSolveMerge.merge(List.of("Assistant A: 5", "")));
    }

    @Test
    void criteriaOfLists() {
        List<String> expected = List.of("Accuracy", "Depth: is it deep?");
        for (String text : List.of("1. Accuracy\n2. Depth: is it deep?",
                "Here are two criteria:\n\n1) Accuracy\n 2) Depth: is it deep?\n\nThat is all.",
                "Here are five criteria:\n**1. Accuracy**\n**2. Depth:** is it deep?",
                "**1.** Accuracy\n**2.** Depth: is it deep?",
                "- Accuracy\n* Depth: is it deep?", "- **1. Accuracy**\n- **2. Depth:** is it deep?")) {
            assertEquals(expected, BranchSolveMerge.criteria(text), text);
        }
        assertEquals(List.of("**Accuracy**: is it right?"), BranchSolveMerge.criteria("1. **Accuracy**: is it right?"));
        assertEquals(List.of("1", "2", "3", "4", "5"), BranchSolveMerge.criteria("- 1\n- 2\n- 3\n- 4\n- 5\n- 6"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            **Depth**: is it deep? | Depth
            Depth - how far it goes | Depth
            Well-founded claims | Well-founded claims
            : | :
            """)
    void namesOfCriteria(String criterion, String name) {
        assertEquals(name, BranchSolveMerge.name(criterion));
    }

    @Test
    void detailsBetweenNumbersAreNoCriteria() {
        assertEquals(List.of("Accuracy:", "**Depth**:"),
                BranchSolveMerge.criteria("1. Accuracy:\n   - facts\n   - sources\n2. **Depth**:\n   * detail"));
    }

    @Test
    void criteriaWithoutAListAreLines() {
        assertEquals(List.of("Accuracy", "Depth"), BranchSolveMerge.criteria(
                "**Here are two criteria:**\nAccuracy\n\nDepth"));
        assertEquals(List.of("Accuracy", "Depth:"), BranchSolveMerge.criteria("Accuracy\nDepth:"));
        assertEquals(List.of("Accuracy:"), BranchSolveMerge.criteria("Accuracy:"));
        assertEquals(List.of(), BranchSolveMerge.criteria(" \n"));
    }
}
