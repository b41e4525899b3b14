package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class TextStreamTest {
    @Test
    void holdsBackWhatMayBeginAStopString() {
        TextStream stream = new TextStream(List.of("END", "\n\n"));
        assertEquals("a ", stream.append("a E"));
        assertEquals("", stream.append("N"));
        assertEquals("ENx", stream.append("x"));
        assertEquals("", stream.append("\n"));
        assertEquals("\nb", stream.append("b"));
        assertFalse(stream.stopped());
        assertEquals("c", stream.append("cE"));
        assertEquals("", stream.append("ND more"));
        assertTrue(stream.stopped());
        assertEquals("a ENx\nbc", stream.text());
        assertEquals("", stream.flush());
    }

    @Test
    void theEarliestStopStringWinsWhereverPiecesEnd() {
        String text = "one two three four";
        for (int cut = 0; cut <= text.length(); cut++) {
            TextStream stream = new TextStream(List.of("three", "two t"));
            String shown = stream.append(text.substring(0, cut));
            if (!stream.stopped()) {
                shown += stream.append(text.substring(cut));
            }
            assertEquals("one ", shown + stream.flush());
        }
    }

    /**
     * A stop string that ends in exempt text is ignored. A stop string that begins in exempt text and ends later is
     * found.
     */
    @Test
    void exemptTextCompletesNoStopString() {
        TextStream stream = new TextStream(List.of("END", "aa"));
        assertEquals("x END ", stream.appendExempt("x END "));
        assertEquals("a", stream.appendExempt("aa"), "the second character may begin a stop string");
        assertFalse(stream.stopped());
        assertEquals("a E.", stream.append(" E") + stream.append("."), "the exempt text is not searched later");
        assertFalse(stream.stopped());
        assertEquals(" ", stream.appendExempt(" EN"));
        assertEquals("", stream.append("D!"));
        assertTrue(stream.stopped());
        assertEquals("x END aa E. ", stream.text() + stream.flush());
    }

    @Test
    void withoutAStopStringEverythingIsShownAtOnce() {
        TextStream stream = new TextStream(List.of());
        assertEquals("x", stream.append("x"));
        assertEquals("", stream.flush());
    }
}
