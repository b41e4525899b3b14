package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every check fails on a library whose ops are a little wrong: a check that cannot fail is a defect. */
class WrongLibraryTest {
    static Stream<Check> checks() {
        return ParityTests.all().stream().flatMap(test -> test.checks().stream());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("checks")
    void fails(Check check) {
        Target wrong = Target.wrong();
        assertThrows(AssertionError.class, () -> check.run(wrong), check + " does not notice that the op is wrong");
    }
}
