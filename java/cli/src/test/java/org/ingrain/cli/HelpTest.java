package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Recipe;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;

/** Every help text must have headings, a short synopsis, lines of limited width, and examples that are accepted. */
class HelpTest {
    private static final Set<String> HELP = Set.of("--help", "--version", "--debug");
    private static final Pattern WORD = Pattern.compile("'([^']*)'|\"([^\"]*)\"|(\\S+)");

    /**
     * An entry for each command: the names of its parent commands and its own name, without "ingrain". The entry of the
     * program itself is empty.
     */
    static List<List<String>> commands() {
        List<List<String>> all = new ArrayList<>();
        collect(List.of(), Main.commandLine(), all);
        assertTrue(all.size() > 12, () -> "only " + all);
        return all;
    }

    private static void collect(List<String> names, CommandLine line, List<List<String>> all) {
        all.add(names);
        line.getSubcommands().forEach((name, command) -> collect(
                Stream.concat(names.stream(), Stream.of(name)).toList(), command, all));
    }

    private static CommandLine line(List<String> names) {
        CommandLine line = Main.commandLine();
        for (String name : names) {
            line = line.getSubcommands().get(name);
        }
        return line;
    }

    private static String help(List<String> names, int width) {
        return line(names).setUsageHelpAutoWidth(false).setUsageHelpWidth(width).getUsageMessage();
    }

    @ParameterizedTest
    @MethodSource("commands")
    void everyOptionIsUnderAHeading(List<String> names) {
        String help = help(names, Main.WIDTH);
        for (OptionSpec option : line(names).getCommandSpec().options()) {
            assertEquals(HELP.contains(option.longestName()), Heading.of(option) == Heading.HELP,
                    option.longestName() + ": expected a heading by @Under at its field or its class");
            if (!option.hidden()) {
                String section = help.split("(?m)^" + Heading.of(option).title() + ":$", -1)[1].split("\n\n")[0];
                assertTrue(Pattern.compile(Pattern.quote(option.longestName().replaceFirst("^--(no-)?", ""))
                        + "[\\[= \n]").matcher(section).find(), () -> option.longestName() + " in " + section);
                assertNotEquals("", String.join("", option.description()), option.longestName());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("commands")
    void theSynopsisIsShortAndHasEveryRequiredArgument(List<String> names) {
        CommandLine command = line(names);
        List<String> lines = help(names, 80).lines().takeWhile(text -> !text.isEmpty()).toList();
        assertTrue(lines.size() <= 2, lines::toString);
        String first = String.join(" ", lines);
        assertTrue(first.startsWith("Usage: " + String.join(" ", Stream.concat(Stream.of("ingrain"), names.stream())
                .toList())), first);
        for (ArgSpec argument : command.getCommandSpec().args()) {
            String name = argument instanceof OptionSpec option ? option.longestName() + " " + argument.paramLabel()
                    : argument.paramLabel();
            assertTrue(!argument.required() || first.contains(name), () -> name + " in " + first);
        }
    }

    @ParameterizedTest
    @MethodSource("commands")
    void linesFitBetween80And120Columns(List<String> names) {
        for (int width : new int[] {80, Main.WIDTH, 120}) {
            List<String> lines = help(names, width).lines().toList();
            assertEquals(List.of(), lines.stream().filter(text -> text.length() > width).toList());
        }
        for (String example : line(names).getCommandSpec().usageMessage().footer()) {
            assertTrue(example.length() <= 80, () -> "wraps on a narrow terminal: " + example);
        }
    }

    @ParameterizedTest
    @MethodSource("commands")
    void everyExampleIsAccepted(List<String> names) {
        List<String> examples = examples(names);
        assertFalse(examples.isEmpty());
        for (String example : examples) {
            String call = example.substring(example.indexOf("ingrain ") + "ingrain ".length()).split("[|>)]")[0];
            String[] words = WORD.matcher(call).results().map(found -> Stream.of(found.group(1), found.group(2),
                    found.group(3)).filter(word -> word != null).findFirst().orElseThrow()).toArray(String[]::new);
            Main.commandLine().parseArgs(Recipe.expand(words, Main::commandLine));
            assertTrue(names.isEmpty() || Arrays.asList(words).subList(0, names.size()).equals(names), example);
        }
    }

    /** The lines that call the program. A backslash at the end of a line means that the next line continues it. */
    private static List<String> examples(List<String> names) {
        String footer = String.join("\n", line(names).getCommandSpec().usageMessage().footer());
        return footer.replaceAll("\\\\\\n *", "").lines().filter(example -> example.contains("ingrain ")).toList();
    }

    @Test
    void printsNothingButTheHelp() {
        for (List<String> names : commands()) {
            Run run = Run.of(Stream.concat(names.stream(), Stream.of("--help")).toArray());
            assertEquals(0, run.status(), run.err());
            assertEquals("", run.err());
            assertFalse(run.out().contains("%n") || run.out().contains("${"), run.out());
        }
    }
}
