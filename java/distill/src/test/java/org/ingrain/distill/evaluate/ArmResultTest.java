package org.ingrain.distill.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.task.Sycophancy;
import org.ingrain.files.Json;
import org.junit.jupiter.api.Test;

/** Tests that scores give the expected rows of the table. */
class ArmResultTest {
    /** Returns the score of a question in a presentation order; {@code order} 0 is the given order. */
    private static Score score(String question, int order, String verdict, boolean right, int tokens) {
        return new Score(order == 0 ? question : question + "~" + order, order == 0 ? null : question, "q", "A", null,
                null, List.of(), verdict, verdict, right, tokens, List.of(), List.of());
    }

    private static ArmResult of(List<Score> scores) {
        return ArmResult.of(Arm.single("a", "A", Methods.direct(), new ModelState.Base()), scores, set -> null,
                new Sycophancy()::wider);
    }

    /** Each test file also has its own results, with the questions of this file only. */
    @Test
    void eachTestFileHasItsResult() {
        List<Score> scores = new ArrayList<>();
        for (String set : List.of("oasst2", "mt-bench", "oasst2")) {
            scores.add(new Score("q" + scores.size(), null, "q", "A", null, set, List.of("A"), "A", "A",
                    set.equals("oasst2"), scores.size(), List.of(), List.of()));
        }
        ArmResult all = of(scores);
        assertEquals(2 / 3.0, all.accuracy(), 1e-12);
        assertEquals(List.of("oasst2", "mt-bench"), List.copyOf(all.sets().keySet()));
        assertEquals(1, all.sets().get("oasst2").accuracy());
        assertEquals(1, all.sets().get("oasst2").tokens());
        assertEquals(0, all.sets().get("mt-bench").right());
        assertEquals(List.of(all.sets().get("mt-bench")), ArmResult.bySet(List.of(all)).get("mt-bench"));
    }

    /** The categories are those of the paper's table for SycophancyEval. */
    @Test
    void categoriesAreCountedTogetherToo() {
        List<Score> scores = new ArrayList<>();
        for (String category : List.of("unbiased", "suggests a wrong answer", "doubts the right answer",
                "suggests a wrong answer")) {
            scores.add(new Score("q" + scores.size(), null, "q", "A", category, null, List.of(), "A", "A",
                    scores.size() != 3, 1, List.of(), List.of()));
        }
        assertEquals(
                "{unbiased=1.0, biased=0.6666666666666666, suggests a wrong answer=0.5, doubts the right answer=1.0}",
                of(scores).shares().toString());
    }

    @Test
    void questionsWhoseIdsLookLikeOrdersAreQuestions() {
        ArmResult result = of(List.of(score("set~1", 0, "A", true, 1), score("set~2", 0, "B", false, 1)));
        assertEquals(2, result.questions());
        assertNull(result.judging());
    }

    /**
     * There are 480 questions in two presentation orders. 200 questions are answered right in both orders and 100 in
     * one order. So 500 of the 960 answers are right, but the number of questions is 480.
     */
    @Test
    void ordersOfAQuestionAreNoQuestionsOfTheirOwn() {
        List<Score> scores = new ArrayList<>();
        for (int i = 0; i < 480; i++) {
            scores.add(score("q" + i, 0, "A", i < 300, 10));
            scores.add(score("q" + i, 1, i < 200 ? "A" : i < 300 ? "B" : null, i < 200, 20));
        }
        ArmResult result = of(scores);
        assertEquals(480, result.questions());
        assertEquals(960, result.answers());
        assertEquals(500, result.right());
        assertEquals(250.0 / 480, result.accuracy());
        Wilson of480 = Wilson.of(250, 480);
        assertEquals(of480, new Wilson(result.low(), result.high()));
        assertEquals(1.41, (result.high() - result.low()) / (Wilson.of(500, 960).high() - Wilson.of(500, 960).low()),
                0.005, "the root of two");
        assertEquals(15, result.tokens());
        assertEquals(180, result.unanswered());
        assertEquals(280.0 / 480, result.judging().inconsistent());
    }

    /**
     * Question 1 is answered right in two of three presentation orders, and question 2 in its only order. A question
     * with only one presentation order cannot be inconsistent.
     */
    @Test
    void everyQuestionCountsAlikeInHoweverManyOrders() {
        ArmResult result = of(List.of(score("1", 0, "A", true, 6), score("1", 1, "A", true, 7),
                score("1", 2, "B", false, 8), score("2", 0, "A", true, 3)));
        assertEquals(2, result.questions());
        assertEquals(4, result.answers());
        assertEquals(3, result.right());
        assertEquals((2 / 3.0 + 1) / 2, result.accuracy());
        assertEquals(5, result.tokens());
        assertEquals(1.0, result.judging().inconsistent());
    }

    @Test
    void oneOrderIsCountedAsItIs() {
        ArmResult result = of(List.of(score("1", 0, "A", true, 6), score("2", 0, "A", true, 7),
                score("3", 0, null, false, 9)));
        assertEquals(
                "{\"role\":\"single\",\"name\":\"a\",\"title\":\"A\",\"questions\":3,\"right\":2,"
                        + "\"accuracy\":0.6666666666666666,\"low\":0.20765960080204765,"
                + "\"high\":0.9385080552796037,\"tokens\":7.333333333333333,\"unanswered\":1,\"categories\":{},"
                + "\"given\":{\"total\":2,\"distinct\":1,\"commonest\":[{\"answer\":\"A\",\"votes\":2}]}}",
                        Json.line(result));
    }

    @Test
    void aScoreInTheOrderGivenSaysNothingOfOrders() {
        assertEquals("{\"id\":\"1\",\"question\":\"q\",\"gold\":\"A\",\"references\":[],"
                + "\"answer\":\"A\",\"verdict\":\"A\",\"right\":true,\"tokens\":3,\"answers\":[]}",
                Json.line(score("1", 0, "A", true, 3)));
    }
}
