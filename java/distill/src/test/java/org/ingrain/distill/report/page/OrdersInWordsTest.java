package org.ingrain.distill.report.page;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.ingrain.distill.curate.Distribution;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Commonest;
import org.ingrain.distill.evaluate.Paired;
import org.ingrain.distill.report.table.Table;
import org.ingrain.distill.report.table.Tables;
import org.junit.jupiter.api.Test;

/** Tests that the texts of a report distinguish questions from presentation orders. */
class OrdersInWordsTest {
    private static List<ArmResult> arms(ArmResult.Judging judging) {
        return Stream.of(Role.SYSTEM_1, Role.SYSTEM_2, Role.DISTILLED)
                .map(role -> role.name().toLowerCase(Locale.ROOT).replace('_', '-').transform(
                name -> new ArmResult(role, name, name, 480, 240, 0.25, 0.2, 0.3, 4, 3, 0, judging, Map.of(),
                        List.of(), Map.of(), Distribution.of(List.of("yes", "no", "yes")), new Commonest("yes", 480,
                                120, 0.25, 0.21, 0.29, Distribution.of(List.of("yes")))))).toList();
    }

    @Test
    void severalOrders() {
        List<ArmResult> arms = arms(new ArmResult.Judging(null, null, 0.5, 960));
        Table table = Tables.arms(arms);
        assertEquals(List.of("", "accuracy %", "95 % interval", "#Tokens", "right, all orders", "unanswered",
                "questions", "inconsistent %"), table.head());
        assertEquals(List.of("system-1", "25.0", "20.0 - 30.0", "4.0", "240 of 960", "3", "480", "50.0"),
                table.rows().getFirst());
        assertEquals(
                "Asked directly (System 1), the model is right on 25.0 % of 480 held-out questions (asked in several "
                + "orders, 960 answers),"
                + " with 4.0 tokens each.", new Headline(arms).figures().split("(?<=each\\.)")[0]);
    }

    /** The paired test can be significant even if the intervals of the two arms overlap. */
    @Test
    void whatThePairedTestSays() {
        assertEquals(
                "The distilled model is better than System 1 on 12 questions and worse on 1: a significant gain"
                + " (McNemar's exact test, p = 0.003).", Headline.judgement(new Paired(12, 1)));
        assertEquals(
                "The distilled model is better than System 1 on 1 question and worse on 3: the difference is not "
                + "significant"
                + " (McNemar's exact test, p = 0.625).", Headline.judgement(new Paired(1, 3)));
        assertEquals(
                "The distilled model is better than System 1 on 2 questions and worse on 40: a significant loss "
                + "(McNemar's exact test, p < 0.001).", Headline.judgement(new Paired(2, 40)));
    }

    @Test
    void oneOrder() {
        List<ArmResult> arms = arms(null);
        Table table = Tables.arms(arms);
        assertEquals(List.of("", "accuracy %", "95 % interval", "#Tokens", "right", "unanswered"), table.head());
        assertEquals(List.of("system-1", "25.0", "20.0 - 30.0", "4.0", "240 of 480", "3"), table.rows().getFirst());
        assertEquals(
                "Asked directly (System 1), the model is right on 25.0 % of 480 held-out questions, with 4.0 tokens "
                + "each.", new Headline(arms).figures().split("(?<=each\\.)")[0]);
    }
}
