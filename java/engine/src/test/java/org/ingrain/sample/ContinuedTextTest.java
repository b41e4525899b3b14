package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.tokenizer.StreamingDecoder;
import org.ingrain.tokenizer.TinyTokenizers;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests when a completion keeps its leading space. The tokenizers here remove the leading space of a whole text. */
class ContinuedTextTest {
    private static final int SPACE_AB = 264;
    private static final int BOS = 1;

    @TempDir
    private Path folder;

    @Test
    void aContinuationKeepsItsLeadingSpaceWithTokenizerModel() throws IOException {
        TinyTokenizers.sentencePiece(folder);
        check();
    }

    @Test
    void aContinuationKeepsItsLeadingSpaceWithTokenizerJson() throws IOException {
        TinyTokenizers.llama2Json(folder);
        check();
    }

    private void check() {
        try (Tokenizer tokenizer = Tokenizers.open(folder)) {
            int[] prompt = {BOS, SPACE_AB};
            assertEquals(" ab ab", text(tokenizer, prompt, true, SPACE_AB, SPACE_AB));
            assertEquals("ab ab", text(tokenizer, prompt, false, SPACE_AB, SPACE_AB));
            assertEquals("ab", text(tokenizer, new int[] {BOS}, true, SPACE_AB));
            TextStream stream = new TextStream(List.of(" ab"));
            assertEquals("", stream.append(decoder(tokenizer, prompt, true).append(SPACE_AB)));
            assertTrue(stream.stopped(), "a stop string with a leading space ends at the first token");
        }
    }

    /**
     * Returns the text of a completion. If the request continues the text of the prompt, this is the part of
     * decode(prompt + ids) that follows decode(prompt).
     */
    private static String text(Tokenizer tokenizer, int[] prompt, boolean continuesText, int... ids) {
        StreamingDecoder decoder = decoder(tokenizer, prompt, continuesText);
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(decoder.append(id));
        }
        return text.append(decoder.flush()).toString();
    }

    private static StreamingDecoder decoder(Tokenizer tokenizer, int[] prompt, boolean continuesText) {
        Request request = Request.of(prompt, 2, SamplingParams.greedy(4)).withContinuesText(continuesText);
        return new Ticket(request, completion -> { }, null, () -> tokenizer.streamingDecoder(true)).part(1, 1)
                .decoder();
    }
}
