package org.ingrain;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaModifier.FINAL;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noFields;
import static com.tngtech.archunit.library.GeneralCodingRules.ACCESS_STANDARD_STREAMS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.AccessTarget.CodeUnitCallTarget;
import com.tngtech.archunit.core.domain.JavaCall;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** The rooms of ARCHITECTURE.md and the doors between them. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LayersTest {
    /** What each room may use; what is not here it may not. */
    private static final Map<String, Set<String>> ROOMS = Map.ofEntries(
            Map.entry("tensor", Set.of()),
            Map.entry("ffi", Set.of("tensor")),
            Map.entry("ops", Set.of("ffi", "tensor")),
            Map.entry("workbench", Set.of("ops", "ffi", "tensor")),
            Map.entry("model", Set.of("ops", "ffi", "tensor")),
            Map.entry("checkpoint", Set.of("workbench", "tokenizer", "model", "ffi", "tensor")),
            Map.entry("tokenizer", Set.of("checkpoint", "tensor")),
            Map.entry("parallel", Set.of("model", "ops", "ffi", "tensor")),
            Map.entry("sample", Set.of("tokenizer", "checkpoint", "parallel", "model", "ops", "ffi", "tensor")),
            Map.entry("train", Set.of("tokenizer", "checkpoint", "parallel", "model", "ops", "ffi", "tensor")),
            Map.entry("distill", Set.of("sample", "train", "tokenizer", "checkpoint", "parallel", "model", "ffi", "tensor")),
            Map.entry("lab", Set.of("distill", "sample", "train", "tokenizer", "checkpoint", "model", "ffi", "tensor")),
            Map.entry("cli", Set.of("workbench", "lab", "distill", "sample", "train", "tokenizer", "checkpoint", "parallel", "model", "ops", "ffi", "tensor")));

    private JavaClasses product;

    @BeforeAll
    void read() {
        product = new ClassFileImporter().withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .withImportOption(at -> !at.contains("-tests.jar")).importPackages("org.ingrain");
    }

    @Test
    void everyRoomIsListed() {
        Set<String> found = product.stream().map(type -> type.getPackageName().split("\\.")[2]).collect(Collectors.toSet());
        assertTrue(ROOMS.keySet().containsAll(found), () -> found + " against " + ROOMS.keySet());
        assertTrue(found.containsAll(Set.of("tensor", "ffi", "ops", "cli")), () -> "classes are missing: " + found);
    }

    @Test
    void nothingPointsBackUp() {
        ROOMS.forEach((room, below) -> {
            var allowed = resideInAPackage("org.ingrain." + room + "..");
            for (String other : below) {
                allowed = allowed.or(resideInAPackage("org.ingrain." + other + ".."));
            }
            check(classes().that().resideInAPackage("org.ingrain." + room + "..").should()
                    .onlyDependOnClassesThat(not(resideInAPackage("org.ingrain..")).or(allowed)));
        });
    }

    @Test
    void onlyFfiBindsSymbols() {
        check(noClasses().that().resideOutsideOfPackage("org.ingrain.ffi..").should().dependOnClassesThat()
                .belongToAnyOf(Linker.class, SymbolLookup.class));
    }

    @Test
    void onlyFfiAndTensorSeeAnAddress() {
        var ours = resideInAnyPackage("org.ingrain.ffi..", "org.ingrain.tensor..");
        var address = DescribedPredicate.<CodeUnitCallTarget>describe("gives or takes an address", target ->
                (ours.test(target.getOwner()) || target.getOwner().isEquivalentTo(MemorySegment.class))
                        && (Set.of("address", "ofAddress", "reinterpret").contains(target.getName()) || isTensorAt(target)));
        check(noClasses().that(not(ours)).should().callCodeUnitWhere(JavaCall.Predicates.target(address)));
    }

    /** The constructor of a Tensor from an address. */
    private static boolean isTensorAt(CodeUnitCallTarget target) {
        return target.getName().equals("<init>") && target.getOwner().getSimpleName().equals("Tensor");
    }

    @Test
    void noMutableStatics() {
        check(fields().that().areStatic().should().haveModifier(FINAL));
        Set<String> mutable = Set.of("java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks");
        check(noFields().that().areStatic().should().haveRawType(DescribedPredicate.describe("that changes", type ->
                mutable.contains(type.getPackageName()) || type.isAssignableTo(ThreadLocal.class) || type.isAssignableTo(StringBuilder.class))));
    }

    @Test
    void onlyTheCommandLineSpeaksAndExits() {
        check(noClasses().should().dependOnClassesThat().resideInAPackage("java.util.logging"));
        check(noClasses().that().resideOutsideOfPackage("org.ingrain.cli..").should().callMethod(System.class, "exit", int.class)
                .orShould(ACCESS_STANDARD_STREAMS));
    }

    @Test
    void librariesStayInTheirRooms() {
        Map<String, String[]> homes = Map.of(
                "ai.djl..", new String[] {"org.ingrain.tokenizer.."},
                "com.hubspot..", new String[] {"org.ingrain.tokenizer.."},
                "org.bytedeco..", new String[] {"org.ingrain.ffi.."},
                "picocli..", new String[] {"org.ingrain.cli.."},
                "me.tongfei..", new String[] {"org.ingrain.cli.."},
                "com.fasterxml.jackson.core..", new String[] {}, // Jackson 2 comes with Jinjava; ours is tools.jackson
                "jcuda..", new String[] {}, // of benchmarks/jni, which no module uses
                "com.google.common..", new String[] {});
        homes.forEach((library, rooms) -> check(noClasses().that(not(resideInAnyPackage(rooms))).should()
                .dependOnClassesThat().resideInAPackage(library)));
    }

    /** Ops and what lies below them carry the header's argument lists. */
    @Test
    void aboveTheOpsNoMethodTakesMoreThanSixParameters() {
        Set<String> rooms = Set.of("ffi", "ops", "tensor");
        String wide = product.stream().filter(type -> !type.isRecord() && !rooms.contains(type.getPackageName().split("\\.")[2]))
                .flatMap(type -> type.getCodeUnits().stream())
                .filter(unit -> unit.getRawParameterTypes().size() > 6 && !unit.getModifiers().contains(JavaModifier.SYNTHETIC))
                .map(unit -> unit.getFullName()).sorted().collect(Collectors.joining("\n"));
        assertEquals("", wide);
    }

    private void check(ArchRule rule) {
        rule.allowEmptyShould(true).check(product);
    }
}
