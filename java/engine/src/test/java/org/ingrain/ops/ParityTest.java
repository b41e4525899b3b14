package org.ingrain.ops;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.ingrain.tensor.DType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Runs the checks of one kernel file on every target. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class ParityTest {
    static final List<DType> FLOATS = List.of(DType.F32, DType.BF16);

    /** The checks of the kernel file; each op of the file has at least one. */
    abstract List<Check> checks();

    /**
     * Checks with larger sizes, for which an emulated GPU is slow. These checks run only with the Maven profile
     * {@code long-tests}.
     */
    List<Check> longChecks() {
        return List.of();
    }

    @ParameterizedTest(name = "{0} on {1}")
    @MethodSource("cases")
    void agrees(Check check, TestTarget target) {
        check.run(target);
    }

    @Tag("long")
    @ParameterizedTest(name = "{0} on {1}", allowZeroInvocations = true)
    @MethodSource("longCases")
    void agreesInLongChecks(Check check, TestTarget target) {
        check.run(target);
    }

    Stream<Arguments> cases() {
        return onAllTargets(checks());
    }

    Stream<Arguments> longCases() {
        return onAllTargets(longChecks());
    }

    private static Stream<Arguments> onAllTargets(List<Check> checks) {
        return TestTarget.available().stream().flatMap(
                target -> checks.stream().map(check -> Arguments.of(check, target)));
    }

    /** One check of the op for F32 and one for BF16. */
    static List<Check> eachFloat(String op, BiConsumer<ParityCheck, DType> body) {
        return FLOATS.stream().map(dtype -> new Check(op, dtype.name(), lab -> body.accept(lab, dtype))).toList();
    }

    @SafeVarargs
    static List<Check> all(List<Check>... parts) {
        List<Check> checks = new ArrayList<>();
        for (List<Check> part : parts) {
            checks.addAll(part);
        }
        return checks;
    }
}
