package org.ingrain.cli;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import picocli.CommandLine;

/**
 * The output and the exit status of a command.
 *
 * @param status exit status
 * @param out    standard output
 * @param err    standard error
 */
public record Run(int status, String out, String err) {
    /** Runs the command line in this JVM. */
    public static Run of(Object... arguments) {
        String[] words = new String[arguments.length];
        for (int i = 0; i < words.length; i++) {
            words[i] = arguments[i].toString();
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        PrintStream standardOut = System.out;
        PrintStream standardErr = System.err;
        PrintStream capturedOut = new PrintStream(out, true, StandardCharsets.UTF_8);
        PrintStream capturedErr = new PrintStream(err, true, StandardCharsets.UTF_8);
        System.setOut(capturedOut);
        System.setErr(capturedErr);
        try {
            CommandLine command = Main.commandLine();
            command.setOut(new PrintWriter(capturedOut, true));
            command.setErr(new PrintWriter(capturedErr, true));
            int status = Main.execute(command, words);
            return new Run(status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(standardOut);
            System.setErr(standardErr);
        }
    }

    /** The error message, which is the line of standard error that begins with the program's name. */
    public String complaint() {
        return complaints().isEmpty() ? "" : complaints().getFirst();
    }

    /** The lines of standard error that begin with the program's name, without warnings. */
    public List<String> complaints() {
        return err.lines().filter(line -> line.startsWith("ingrain: ") && !line.startsWith("ingrain: warning: "))
                .toList();
    }
}
