package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Runs every check on a library whose ops are slightly wrong. A check must detect the error in each output that it
 * compares.
 */
class WrongLibraryTest {
    static Stream<Check> checks() {
        return ParityTests.all().stream().flatMap(test -> test.checks().stream());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("checks")
    void fails(Check check) {
        try (ParityCheck lab = TestTarget.spoiled().open(check.toString())) {
            try {
                check.body().accept(lab);
            } catch (AssertionError e) {
                return;
            }
            assertFalse(lab.differed().isEmpty(), check + " does not detect the wrong op");
            List<String> unnoticed = lab.differed().entrySet().stream().filter(output -> !output.getValue())
                    .map(Map.Entry::getKey).toList();
            assertEquals(List.of(), unnoticed, "outputs of " + check + " whose errors are not detected");
        }
    }
}
