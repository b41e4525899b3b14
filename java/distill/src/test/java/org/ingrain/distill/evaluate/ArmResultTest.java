package org.ingrain.distill.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.List;
import org.ingrain.distill.run.Json;
import org.junit.jupiter.api.Test;

/** Rows of the table, from scores. */
class ArmResultTest {
    /** An order of a question, or the question as given where the number is 0. */
    private static Score score(String question, int order, String verdict, boolean right, int tokens) {
        return new Score(order == 0 ? question : question + "~" + order, order == 0 ? null : question, "q", "A", null, List.of(), verdict, verdict, right,
                tokens, List.of());
    }

    @Test
    void questionsWhoseIdsLookLikeOrdersAreQuestions() {
        ArmResult result = ArmResult.of("a", "A", List.of(score("set~1", 0, "A", true, 1), score("set~2", 0, "B", false, 1)));
        assertEquals(2, result.questions());
        assertNull(result.judging());
    }

    @Test
    void aScoreInTheOrderGivenSaysNothingOfOrders() {
        assertEquals("{\"id\":\"1\",\"question\":\"q\",\"gold\":\"A\",\"references\":[],\"answer\":\"A\",\"verdict\":\"A\",\"right\":true,\"tokens\":3,\"answers\":[]}",
                Json.line(score("1", 0, "A", true, 3)));
    }
}
