package org.ingrain.distill.report.table;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class TableTest {
    private static final Table TABLE = new Table(List.of("", "a|b\n%"), List.of(List.of("x\r\ny", "1")));

    @Test
    void cellsStayOnTheirLineForATerminal() {
        assertEquals("     a|b %\n----------\nx y      1\n", TABLE.text());
    }

    @Test
    void cellsStayInTheirColumnInMarkdown() {
        assertEquals("|  | a\\|b % |\n|---|--:|\n| x y | 1 |\n", TABLE.markdown());
    }
}
