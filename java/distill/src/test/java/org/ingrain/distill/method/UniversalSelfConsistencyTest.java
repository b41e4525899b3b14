package org.ingrain.distill.method;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ingrain.distill.method.UniversalSelfConsistency.Selection;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.files.JsonLines;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class UniversalSelfConsistencyTest {
    /** An empty expected value means that no response is selected. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '^', textBlock = """
            The most consistent response is Response 3. | 3
            The most consistent response is Response 3, unlike Response 12. | 3
            Comparing Response 0 with the others, the most consistent response is Response 7. | 7
            Responses 1 and 2 agree, so the most consistent response is: 4 | 4
            The most consistent response is **Response #11**. | 11
            "The Most Consistent Response is Response: 4" | 4
            I select Response: 4 | 4
            Response 0 differs from Response 2, so I choose Response 5. | 5
            The most consistent response is the one that names Paris, Response 6. | 6
            Response X |
            All responses say 42. |
            Response 1234567 |
            """)
    void theResponseThatIsSelected(String text, Integer expected) {
        assertEquals(Optional.ofNullable(expected), UniversalSelfConsistency.selected(text));
    }

    @Test
    void selectionsOfAFile(@TempDir Path base) {
        Path file = base.resolve("selections.jsonl");
        JsonLines.write(
                file, List.of(new SampleRecord("1", "0", "select", "The most consistent response is Response 2.", 9,
                        Finish.STOP), new SampleRecord("2", "0", "select", "I cannot tell.", 4, Finish.STOP),
                        new SampleRecord("3", "0", "select", "", 0, Finish.PROMPT_TOO_LONG)));
        assertEquals(Map.of("1", new Selection(Optional.of(2), true), "2", Selection.NONE, "3",
                new Selection(Optional.empty(), false)), UniversalSelfConsistency.selections(file));
    }
}
