package org.ingrain;

import static java.util.Comparator.comparingInt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Checks rules of CONTRIBUTING.md: line widths; for C++ and CUDA also the length of functions and the includes. */
class SourcesLintTest {
    private static final Path ROOT = Path.of(System.getProperty("ingrain.root"));
    private static final int WIDTH = 120;
    private static final int FUNCTION = 60;
    private static final Pattern CPP = Pattern.compile(".*\\.(cc|cu|cuh|h|c)");
    private static final Pattern SCRIPT = Pattern.compile("#!.*(python3|bash|sh)$");
    private static final Pattern TEXT_BLOCK = Pattern.compile("\"\"\"(?s:.*?)\"\"\"");
    private static final Pattern INCLUDE = Pattern.compile("^\\s*#include \"([^\"]+)\"");
    /** Parts of a file that are not code: raw strings, comments, literals, preprocessor lines. */
    private static final Pattern NO_CODE = Pattern.compile("R\"\\((?s:.*?)\\)\"|//[^\n]*|/\\*(?s:.*?)\\*/"
            + "|\"(?:\\\\.|[^\"\\\\\n])*\"|'(?:\\\\.|[^'\\\\\n])'|^[ \t]*#(?:[^\n]*\\\\\n)*[^\n]*", Pattern.MULTILINE);
    /** Matches the text between the previous statement and the body of a function: the head of the function. */
    private static final Pattern HEAD =
            Pattern.compile("(?s)(?!\\s*(struct|class|enum|union|namespace)\\b).*\\)[^()=]*");

    private final Map<String, String> sources = read();

    private static Map<String, String> read() {
        Map<String, String> sources = new TreeMap<>();
        for (String room : List.of("cuda", "native", "benchmarks", "java")) {
            try (Stream<Path> files = Files.walk(ROOT.resolve(room))) {
                for (Path file : files.filter(Files::isRegularFile).toList()) {
                    String path = ROOT.relativize(file).toString();
                    String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
                    if (!path.contains("/target/") && (CPP.matcher(path).matches() || path.matches(".*\\.(java|py|sh)")
                            || SCRIPT.matcher(text.lines().findFirst().orElse("")).matches())) {
                        sources.put(path, text);
                    }
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return sources;
    }

    @Test
    void linesEnd() {
        // The text blocks of Java tests contain data that must not be wrapped, so these lines are not checked.
        assertTrue(sources.size() > 100, () -> "only " + sources.size() + " sources below " + ROOT);
        List<String> wide = new ArrayList<>();
        sources.forEach((path, text) -> {
            List<String> lines = (path.contains("/src/test/java/") ? TEXT_BLOCK.matcher(text).replaceAll(found ->
                    "\n".repeat((int) found.group().chars().filter(c -> c == '\n').count())) : text).lines().toList();
            for (int i = 0; i < lines.size(); i++) {
                int columns = lines.get(i).codePointCount(0, lines.get(i).length());
                if (columns > WIDTH) {
                    wide.add(path + ":" + (i + 1) + ": " + columns + " columns, at most " + WIDTH);
                }
            }
        });
        assertEquals(List.of(), wide);
    }

    @Test
    void functionsAreShort() {
        List<String> tooLong = new ArrayList<>();
        sources.forEach((path, text) -> {
            if (CPP.matcher(path).matches()) {
                functions(text).forEach((line, length) -> {
                    if (length > FUNCTION) {
                        tooLong.add(path + ":" + line + ": a function of " + length + " lines, at most " + FUNCTION);
                    }
                });
            }
        });
        assertEquals(List.of(), tooLong);
    }

    @Test
    void thisTestSeesFunctions() {
        assertEquals(Map.of(2, 3, 6, 1), functions("namespace a {\nint f(int x) {\n  if (x) { return 1; }\n}\n"
                + "struct S : B<int(int)> {\n  int g() const { return \"}\"[0]; }\n};\n"
                + "int table[] = {1, 2};\n}  // namespace\n"));
    }

    /** Number of lines in the body of each outermost function; the key is the line in which the body begins. */
    private static Map<Integer, Integer> functions(String text) {
        String code = NO_CODE.matcher(text).replaceAll(found ->
                Matcher.quoteReplacement(found.group().replaceAll("[^\n]", " ")));
        Map<Integer, Integer> functions = new LinkedHashMap<>();
        Deque<Integer> open = new ArrayDeque<>();   // position p of each open brace; -1 - p if it begins a function
        boolean inside = false;
        int head = 0;
        for (int i = 0; i < code.length(); i++) {
            char c = code.charAt(i);
            if (c == '{') {
                boolean function = !inside && HEAD.matcher(code.substring(head, i)).matches();
                open.push(function ? -1 - i : i);
                inside |= function;
            } else if (c == '}' && !open.isEmpty()) {
                int at = open.pop();
                if (at < 0) {
                    functions.put(line(code, -1 - at), line(code, i) - line(code, -1 - at) + 1);
                    inside = false;
                }
            }
            if (c == '{' || c == '}' || c == ';') {
                head = i + 1;
            }
        }
        return functions;
    }

    private static int line(String text, int at) {
        return 1 + (int) text.substring(0, at).chars().filter(c -> c == '\n').count();
    }

    @Test
    void includesGoOneWay() throws IOException {
        Map<String, Set<String>> rooms = rooms();
        assertTrue(rooms.size() > 8, rooms::toString);
        List<String> wrong = new ArrayList<>();
        sources.forEach((path, text) -> {
            String room = room(rooms, path);
            if (room != null && CPP.matcher(path).matches()) {
                text.lines().map(INCLUDE::matcher).filter(Matcher::find).map(found -> found.group(1)).forEach(name -> {
                    if (sources.keySet().stream().noneMatch(other -> other.endsWith("/" + name)
                            && (room.equals(room(rooms, other)) || rooms.get(room).contains(room(rooms, other))))) {
                        wrong.add(path + " includes " + name + ", which is in none of " + room + " " + rooms.get(room));
                    }
                });
            }
        });
        assertEquals(List.of(), wrong);
    }

    /** Returns the innermost room that contains a file. A room is a folder with its own rule for includes. */
    private static String room(Map<String, Set<String>> rooms, String path) {
        return rooms.keySet().stream().filter(room -> path.startsWith(room + "/")).max(comparingInt(String::length))
                .orElse(null);
    }

    /** Reads the table of native rooms in ARCHITECTURE.md: the rows whose first cell names a folder. */
    private static Map<String, Set<String>> rooms() throws IOException {
        try (Stream<String> lines = Files.lines(ROOT.resolve("ARCHITECTURE.md"))) {
            return lines.map(line -> line.split("\\|"))
                    .filter(cells -> cells.length == 4 && cells[1].matches(" `(native|cuda)/.*` "))
                    .collect(Collectors.toMap(cells -> name(cells[1]), cells -> Set.of(name(cells[3]).split(" +"))));
        }
    }

    private static String name(String cell) {
        return cell.strip().replace("`", "");
    }
}
