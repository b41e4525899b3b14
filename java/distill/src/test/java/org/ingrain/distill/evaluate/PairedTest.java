package org.ingrain.distill.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An expected p-value is twice the tail of the binomial distribution, computed with exact fractions. */
class PairedTest {
    @ParameterizedTest
    @CsvSource({"9, 1, 0.021484375, true", "1, 9, 0.021484375, true", "6, 0, 0.03125, true", "5, 0, 0.0625, false",
            "5, 5, 1, false", "0, 0, 1, false",
        "2000, 1900, 0.11289365, false", "2009, 1885, 0.048699307, true", "3000, 2000, 1.300231e-45, true"})
    void exactly(int gained, int lost, double p, boolean significant) {
        Paired paired = new Paired(gained, lost);
        assertEquals(p, paired.p(), 1e-5 * p);
        assertEquals(significant, paired.significant());
    }

    private static Score score(String id, String given, boolean right) {
        return new Score(id, given, "q", "A", null, null, List.of(), "A", "A", right, 1, List.of(), List.of());
    }

    /** A question that is asked in two presentation orders counts as one question. */
    @Test
    void byQuestion() {
        List<Score> first = List.of(score("1", null, true), score("1~1", "1", false), score("2", null, false),
                score("2~1", "2", false), score("3", null, true), score("3~1", "3", false));
        List<Score> second = List.of(score("1", null, true), score("1~1", "1", true), score("2", null, true),
                score("2~1", "2", true), score("3", null, false), score("3~1", "3", true));
        assertEquals(new Paired(2, 0), Paired.of(first, second));
        assertEquals(new Paired(0, 2), Paired.of(second, first));
    }
}
