package org.ingrain.distill.report.plot;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class AxisTest {
    @Test
    void axesEndAtRoundFigures() {
        Axis tokens = Axis.logarithmic(3, 62, 0, 100);
        assertEquals(2, tokens.low());
        assertEquals(100, tokens.high());
        assertEquals(List.of(2.0, 5.0, 10.0, 20.0, 50.0, 100.0),
                tokens.ticks().stream().map(tick -> Math.round(tick * 10) / 10.0).toList());
        assertEquals(0, tokens.at(2), 1e-9);
        assertEquals(100, tokens.at(100), 1e-9);
        Axis loss = Axis.fromZero(4.5, 100, 0);
        assertEquals(5, loss.high());
        assertEquals(10, loss.at(4.5), 1e-9);
        assertEquals("0.25", Axis.label(0.25));
        assertEquals("12,000", Axis.label(12000));
    }
}
