package org.ingrain.cli;

import java.util.List;

/**
 * Runs short commands in one process. The launcher of the distribution starts this class to create the class archive,
 * which makes later starts faster. When the process exits, the JVM archives the classes that the process has loaded.
 * The argument is the folder of a small model.
 */
public final class ArchiveRun {
    private ArchiveRun() {
    }

    public static void main(String[] arguments) {
        List<String> generate = List.of("generate", "--model", arguments[0], "--prompt", "a", "--max-tokens", "2");
        for (List<String> command : List.of(List.of("--help"), List.of("tokenize", "--model", arguments[0], "a"))) {
            String[] words = command.toArray(String[]::new);
            Main.execute(Main.commandLine(words), words);
        }
        Main.main(generate.toArray(String[]::new));
    }
}
