package org.ingrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.source.tree.MethodTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.TreePathScanner;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Checks rules of CONTRIBUTING.md that no compiler checks, in source files and in pages. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LintTest {
    private static final Pattern SOURCE = Pattern.compile(
            "(java|native|cuda|benchmarks/jni)/(?!.*/target/).*\\.(java|cc|cu|cuh|h)");
    private static final Pattern KERNEL = Pattern.compile("(native/ops|cuda/ops|cuda/matmul)/[^/]*\\.(cc|cu)");
    private static final Pattern RUNG = Pattern.compile("cuda/ladder/(\\w+)/v(\\d+)_\\w+\\.cu");
    private static final Pattern REFUSED = Pattern.compile(
            "TO" + "DO|FIX" + "ME|@Dis" + "abled|\\.printStack" + "Trace\\(");
    private static final Pattern CATCH_ALL = Pattern.compile("catch \\((final )?Throw" + "able\\b");
    private static final Pattern FLAG = Pattern.compile("\"(|[^\"]*[ (])--[a-z][a-z-]*\\b");
    /** Unclear expressions. They are refused because CONTRIBUTING.md requires standard terms. */
    private static final Pattern WORDS = Pattern.compile(
            "(?i)\\b(so ma" + "ny|told" + " of|reck" + "on\\w*|mel" + "ted)\\b"
            + "|(?i)\\b(made u" + "p|taken u" + "p|takes it u" + "p|gone on wi" + "th|in va" + "in|so oft" + "en"
            + "|whole or n" + "ot|les" + "sons?|less tho" + "se of|the model as i" + "t is|given aga" + "in"
            + "|trained from noth" + "ing|is to be wh" + "y)\\b");
    /** Everyday words in place of technical terms. They are refused in native sources and in the pages. */
    private static final Pattern EVERYDAY = Pattern.compile("(?i)\\b(spoil\\w*|depart\\w*|brings? near"
            + "|dealt out|deals out|(a|the) cards?|stand-ins?|mend(ed|ing)|taken back|held to|anew|gives? way"
            + "|goes on|gone on|stands? (beside|behind|before)|gets? to hear|is born|a little wrong"
            + "|meets? no bank)\\b");
    private static final Pattern WRITES = Pattern.compile(
            "Files\\.(write|writeString|move|newOutputStream|newBufferedWriter|newByteChannel|createFile|"
                    + "createTemp\\w+)\\("
            + "|StandardOpenOption\\.(WRITE|CREATE|APPEND)|FileOutputStream|FileWriter");
    /** Calls that format with the user's locale. Another locale may have other digits and another decimal separator. */
    private static final Pattern LOCALE = Pattern.compile(
            "\\.formatted\\(|(String\\.format|printf)\\((?!\\s*$|(java\\.util\\.)?Locale\\.)"
            + "|to(Lower|Upper)Case\\(\\)");
    private static final Path ROOT = Path.of(System.getProperty("ingrain.root"));

    private record Source(String path, List<String> lines) {}

    private List<Source> sources;

    @BeforeAll
    void read() throws IOException {
        sources = new ArrayList<>();
        for (String room : List.of("java", "native", "cuda", "benchmarks/jni")) {
            if (Files.isDirectory(ROOT.resolve(room))) {
                try (Stream<Path> files = Files.walk(ROOT.resolve(room))) {
                    for (Path file : files.sorted().toList()) {
                        String path = ROOT.relativize(file).toString();
                        if (SOURCE.matcher(path).matches()) {
                            sources.add(new Source(path, Files.readAllLines(file)));
                        }
                    }
                }
            }
        }
        assertTrue(sources.size() > 20, () -> "only " + sources.size() + " sources below " + ROOT);
    }

    @Test
    void filesHaveAWall() {
        assertEquals(List.of(), sources.stream().filter(source -> source.lines.size() > wall(source.path))
                .map(source -> source.path + ": " + source.lines.size() + " lines, at most " + wall(source.path))
                .toList());
    }

    private static int wall(String path) {
        if (path.equals("native/include/ingrain.h")) {
            return 400;
        }
        return path.contains("/ops/") && !path.endsWith(".java") ? 300 : 500;
    }

    @Test
    void kernelsOpenWithTheirBlock() {
        assertNone((path, lines) -> {
            if (!KERNEL.matcher(path).matches()) {
                return null;
            }
            String stem = Path.of(path).getFileName().toString().replaceAll("\\..*", "");
            List<String> block = lines.stream().takeWhile(line -> line.startsWith("//")).toList();
            String text = String.join("\n", block);
            return text.startsWith("// " + stem + ": ") && Stream.of(
                    "Shapes", "Types", "Needs", "Bound", "Oracle", "Test ").allMatch(text::contains)
                    ? null : "the first comment must begin with '// " + stem
                    + ": ' and contain Shapes, Types, Needs, Bound, Oracle and Test";
        });
    }

    /** The first line of a rung names the op and the rung's number, because the README describes rungs by number. */
    @Test
    void rungsOpenWithTheirStep() {
        assertNone((path, lines) -> {
            if (!path.startsWith("cuda/ladder/") || !path.endsWith(".cu")) {
                return null;
            }
            Matcher rung = RUNG.matcher(path);
            if (!rung.matches()) {
                return "is not named v<number>_<idea>.cu in the folder of its op";
            }
            List<String> stems = List.of(rung.group(1), rung.group(1).replace('_', ' '));
            return stems.stream().anyMatch(stem -> lines.getFirst()
                    .startsWith("// " + stem + ", rung " + rung.group(2) + ": "))
                    ? null : "does not open with '// " + stems.getFirst() + ", rung " + rung.group(2) + ": '";
        });
    }

    @Test
    void nothingIsLeftUndone() {
        assertNone((path, lines) -> firstLine(lines, REFUSED));
    }

    /**
     * Only the package {@code ffi} may catch {@code Throwable}, because calls of method handles declare {@code
     * Throwable}. Code in this package wraps the caught {@code Throwable} in another exception.
     */
    @Test
    void nothingCatchesEverything() {
        assertNone((path, lines) -> path.contains("/org/ingrain/ffi/") ? null : firstLine(lines, CATCH_ALL));
    }

    /**
     * In the modules `engine` and `distill`, error messages refer to settings by their fields. Only in the module `cli`
     * do error messages name flags.
     * The files in {@code others} are exceptions, because they contain {@code --} for another purpose, such as flags of
     * other programs.
     */
    @Test
    void onlyTheCommandLineKnowsFlags() {
        List<String> others = List.of("workbench/KernelCompiler.java", "report/page/HtmlPage.java",
                "lab/LabReadme.java", "tokenizer/EncoderProcess.java", "verify/VerifierProcess.java");
        assertNone((path, lines) -> path.matches("java/(engine|distill)/src/main/.*")
                && others.stream().noneMatch(path::endsWith) ? firstLine(lines, FLAG) : null);
    }

    @Test
    void proseUsesStandardTerms() {
        assertNone((path, lines) -> firstLine(lines, WORDS));
        assertNone((path, lines) -> path.endsWith(".java") ? null : firstLine(lines, EVERYDAY));
    }

    @Test
    void pagesUseStandardTerms() throws IOException {
        for (String page : List.of("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "benchmarks/LOG.md")) {
            List<String> lines = Files.readAllLines(ROOT.resolve(page));
            assertNull(firstLine(lines, WORDS), page);
            assertNull(firstLine(lines, EVERYDAY), page);
        }
    }

    /** TemplateSource is an exception, because it formats only strings. */
    @Test
    void theLocaleChangesNothing() {
        assertNone((path, lines) -> path.contains("/src/main/java/") && !path.endsWith("template/TemplateSource.java")
                ? firstLine(lines, LOCALE) : null);
    }

    /** Only the package {@code files} may write files, because its writes are atomic. */
    @Test
    void filesAreWrittenByTheRoomFilesAlone() {
        assertNone((path, lines) -> !path.contains("/src/main/java/") || path.contains("/org/ingrain/files/")
                ? null : firstLine(lines, WRITES));
    }

    @Test
    void theHeaderKnowsNeitherCudaNorJava() {
        assertNone((path, lines) -> path.startsWith("native/include/")
                ? firstLine(lines, Pattern.compile("#include (?!<stdint\\.h>|<stddef\\.h>)")) : null);
        assertNone((path, lines) -> path.endsWith(".java")
                ? null : firstLine(lines, Pattern.compile("\\bjni|\\bJNI|\\borg[._/]ingrain")));
    }

    @Test
    void methodsAreShort() throws IOException {
        var compiler = ToolProvider.getSystemJavaCompiler();
        List<String> tooLong = new ArrayList<>();
        try (var files = compiler.getStandardFileManager(null, null, null)) {
            var paths = sources.stream().filter(source -> source.path.endsWith(".java"))
                    .map(source -> ROOT.resolve(source.path)).toList();
            var task = (JavacTask) compiler.getTask(null, files, null, List.of("-proc:none"), null,
                    files.getJavaFileObjectsFromPaths(paths));
            var positions = Trees.instance(task).getSourcePositions();
            for (var unit : task.parse()) {
                new TreePathScanner<Void, Void>() {
                    @Override
                    public Void visitMethod(MethodTree method, Void nothing) {
                        var lines = unit.getLineMap();
                        long length = method.getBody() == null ? 0 : 1
                                + lines.getLineNumber(positions.getEndPosition(unit, method))
                                - lines.getLineNumber(positions.getStartPosition(unit, method.getBody()));
                        if (length > 60) {
                            tooLong.add(ROOT.relativize(Path.of(unit.getSourceFile().toUri())) + ": " + method.getName()
                                    + " has " + length + " lines, at most 60");
                        }
                        return super.visitMethod(method, nothing);
                    }
                }.scan(unit, null);
            }
        }
        assertEquals(List.of(), tooLong);
    }

    @Test
    void thisTestSeesWhatItRefuses() {
        assertEquals("line 2: // TO" + "DO later", firstLine(List.of("x", "// TO" + "DO later"), REFUSED));
        assertFalse(CATCH_ALL.matcher("catch (IOException e)").find());
        assertTrue(WRITES.matcher("Files.writeString(file, text)").find());
        assertFalse(WRITES.matcher("DurableFile.write(file, text)").find());
        assertTrue(LOCALE.matcher("\"%d\".formatted(1)").find() && LOCALE.matcher("out.printf(\"%d\", 1)").find());
        assertFalse(LOCALE.matcher("String.format(Locale.ROOT, \"%d\", 1)").find());
        assertTrue(CATCH_ALL.matcher("} catch (Throw" + "able e) {").find());
        assertTrue(FLAG.matcher("\"--max-tokens: \"").find() && FLAG.matcher("\"0 beside --data\"").find());
        assertFalse(FLAG.matcher("// with --data").find());
        assertTrue(WORDS.matcher("a sum of so ma" + "ny terms").find() && WORDS.matcher("Reck" + "oned").find());
        assertTrue(WORDS.matcher("a question that is made u" + "p").find());
        assertFalse(WORDS.matcher("a made decision, an upper bound").find());
        assertTrue(EVERYDAY.matcher("// loads depart before the card is asked").find());
        assertFalse(EVERYDAY.matcher("// standard terms, which stand alone").find());
    }

    private static String firstLine(List<String> lines, Pattern pattern) {
        for (int i = 0; i < lines.size(); i++) {
            if (pattern.matcher(lines.get(i)).find()) {
                return "line " + (i + 1) + ": " + lines.get(i).strip();
            }
        }
        return null;
    }

    /** @param finding given a path and the lines of a file, returns the fault of the file, or null if there is none */
    private void assertNone(BiFunction<String, List<String>, String> finding) {
        List<String> found = new ArrayList<>();
        for (Source source : sources) {
            String wrong = finding.apply(source.path, source.lines);
            if (wrong != null) {
                found.add(source.path + ": " + wrong);
            }
        }
        assertEquals(List.of(), found);
    }
}
