package org.ingrain;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaModifier.FINAL;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noFields;
import static com.tngtech.archunit.library.GeneralCodingRules.ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.AccessTarget.CodeUnitCallTarget;
import com.tngtech.archunit.core.domain.JavaCall;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Tests that the packages and their dependencies are those that ARCHITECTURE.md lists. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LayersTest {
    private static final String ROOT = "org.ingrain.";
    private static final Path PAGE = Path.of(System.getProperty("ingrain.root"), "ARCHITECTURE.md");

    /** Maps each room to the rooms that it may use. A room is a package that ARCHITECTURE.md lists. */
    private final Map<String, Set<String>> rooms = table();

    private JavaClasses product;

    @BeforeAll
    void read() {
        product = new ClassFileImporter().withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .withImportOption(at -> !at.contains("-tests.jar")).importPackages("org.ingrain");
    }

    @Test
    void everyRoomIsListed() {
        assertEquals(new TreeSet<>(packages()), new TreeSet<>(rooms.keySet()));
    }

    @Test
    void noRoomUsesWhatItMayNot() {
        rooms.forEach((room, uses) -> {
            Set<String> allowed = packages().stream().filter(
                    other -> other.equals(room) || uses.stream().anyMatch(use -> covers(use, other)))
                    .map(other -> ROOT + other).collect(Collectors.toSet());
            check(classes().that().resideInAPackage(ROOT + room).should()
                    .onlyDependOnClassesThat(DescribedPredicate.describe(
                    "are in " + uses, type -> !type.getPackageName().startsWith(ROOT)
                            || allowed.contains(type.getPackageName()))));
        });
    }

    @Test
    void roomsFormNoCycle() {
        check(slices().matching(ROOT + "(**)").should().beFreeOfCycles());
    }

    /** ARCHITECTURE.md lists exactly the rooms of the engine that other modules import. */
    @Test
    void modulesUseTheListedRoomsOfTheEngine() throws IOException {
        Set<String> listed = Files.readAllLines(PAGE).stream()
                .dropWhile(line -> !line.startsWith("The modules above the engine")).skip(1)
                .limit(1).flatMap(line -> Stream.of(line.replace("`", "").split(" "))).collect(Collectors.toSet());
        Set<String> used = product.stream().filter(type -> above(type.getPackageName()))
                .flatMap(type -> type.getDirectDependenciesFromSelf().stream())
                .map(use -> use.getTargetClass().getPackageName()).filter(name -> name.startsWith(ROOT) && !above(name))
                .map(name -> name.substring(ROOT.length())).collect(Collectors.toSet());
        assertEquals(new TreeSet<>(listed), new TreeSet<>(used));
    }

    /** Returns whether a package belongs to a module that uses the engine. */
    private static boolean above(String name) {
        return Set.of("distill", "lab", "djl", "spark", "server", "cli")
                .contains(name.substring(ROOT.length()).split("\\.")[0]);
    }

    private static boolean covers(String use, String room) {
        return use.equals("every room") || use.equals(room) || use.endsWith(".*")
                && (room + ".").startsWith(use.substring(0, use.length() - 1));
    }

    private Set<String> packages() {
        return product.stream().map(type -> type.getPackageName().substring(ROOT.length())).collect(Collectors.toSet());
    }

    /** Reads the table of Java rooms: the rows whose first cell names one package. */
    private static Map<String, Set<String>> table() {
        try (var lines = Files.lines(PAGE)) {
            return lines.dropWhile(line -> !line.startsWith("Java rooms are packages")).map(line -> line.split("\\|"))
                    .filter(cells -> cells.length == 4 && cells[1].strip().startsWith("`")).collect(Collectors.toMap(
                            cells -> cells[1].strip().replace("`", ""),
                            cells -> Stream.of(cells[3].contains("every room")
                                    ? new String[] {"every room"} : cells[3].replace("`", "").strip().split(" +"))
                                    .collect(Collectors.toSet())));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void onlyFfiBindsSymbols() {
        check(noClasses().that().resideOutsideOfPackage("org.ingrain.ffi..").should().dependOnClassesThat()
                .belongToAnyOf(Linker.class, SymbolLookup.class));
    }

    @Test
    void onlyFfiAndTensorSeeAnAddress() {
        var ours = resideInAnyPackage("org.ingrain.ffi..", "org.ingrain.tensor..");
        var address = DescribedPredicate.<CodeUnitCallTarget>describe("uses memory addresses", target ->
                (ours.test(target.getOwner()) || target.getOwner().isEquivalentTo(MemorySegment.class))
                        && (Set.of("address", "ofAddress", "reinterpret").contains(target.getName())
                                || isTensorAt(target)));
        check(noClasses().that(not(ours)).should().callCodeUnitWhere(JavaCall.Predicates.target(address)));
    }

    /** Returns whether the target is the constructor that creates a Tensor from an address. */
    private static boolean isTensorAt(CodeUnitCallTarget target) {
        return target.getName().equals("<init>") && target.getOwner().getSimpleName().equals("Tensor");
    }

    @Test
    void noMutableStatics() {
        check(fields().that().areStatic().should().haveModifier(FINAL));
        Set<String> mutable = Set.of("java.util.concurrent", "java.util.concurrent.atomic",
                "java.util.concurrent.locks");
        check(noFields().that().areStatic().should().haveRawType(DescribedPredicate.describe("that changes", type ->
                mutable.contains(type.getPackageName()) || type.isAssignableTo(ThreadLocal.class)
                        || type.isAssignableTo(StringBuilder.class))));
    }

    @Test
    void onlyTheCommandLineSpeaksAndExits() {
        check(noClasses().should().dependOnClassesThat().resideInAPackage("java.util.logging"));
        check(noClasses().that().resideOutsideOfPackage("org.ingrain.cli..").and()
                .doNotHaveFullyQualifiedName("org.ingrain.tokenizer.EncoderMain").should()   // separate process
                .callMethod(System.class, "exit", int.class)
                .orShould(ACCESS_STANDARD_STREAMS));
    }

    @Test
    void librariesStayInTheirRooms() {
        Map<String, String> homes = Map.ofEntries(
                Map.entry("ai.djl..", "tokenizer template djl"),
                Map.entry("com.hubspot..", "template"),
                Map.entry("org.bytedeco..", "ffi"),
                Map.entry("io.helidon..", "server.http"),
                Map.entry("picocli..", "cli"),
                Map.entry("me.tongfei..", "cli"),
                Map.entry("com.fasterxml.jackson.core..", ""),   // Jackson 2, for Jinjava; ours is tools.jackson
                Map.entry("org.apache.spark..", "spark"),
                Map.entry("scala..", "spark"),
                Map.entry("jcuda..", ""),   // only benchmarks/jni uses it
                Map.entry("com.google.common..", ""));
        homes.forEach((library, rooms) -> check(noClasses().that(not(resideInAnyPackage(Stream.of(rooms.split(" "))
                .filter(room -> !room.isEmpty()).map(room -> "org.ingrain." + room + "..").toArray(String[]::new))))
                .should().dependOnClassesThat().resideInAPackage(library)));
    }

    /**
     * The packages {@code ops}, {@code ffi} and {@code tensor} may have longer parameter lists, because the functions
     * of ingrain.h have such lists.
     */
    @Test
    void aboveTheOpsNoMethodTakesMoreThanSixParameters() {
        Set<String> carriers = Set.of("ffi", "ops", "tensor");
        String wide = product.stream().filter(type -> !type.isRecord()
                && !carriers.contains(type.getPackageName().split("\\.")[2]))
                .flatMap(type -> type.getCodeUnits().stream())
                .filter(unit -> unit.getRawParameterTypes().size() > 6
                        && !unit.getModifiers().contains(JavaModifier.SYNTHETIC))
                .map(unit -> unit.getFullName()).sorted().collect(Collectors.joining("\n"));
        assertEquals("", wide);
    }

    private void check(ArchRule rule) {
        rule.allowEmptyShould(true).check(product);
    }
}
