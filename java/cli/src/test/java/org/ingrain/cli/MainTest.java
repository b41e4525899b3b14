package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.concurrent.Callable;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Every failure of a command is reported in one line. */
class MainTest {
    @Command(name = "fail")
    private record Fail(Throwable failure) implements Callable<Integer> {
        @Override
        public Integer call() throws Exception {
            if (failure instanceof Error error) {
                throw error;
            }
            throw (Exception) failure;
        }
    }

    private static String fail(int status, Throwable failure) {
        StringWriter err = new StringWriter();
        CommandLine line = Main.commandLine().addSubcommand("fail", new Fail(failure)).setErr(new PrintWriter(err));
        assertEquals(status, Main.execute(line, "fail"));
        return err.toString();
    }

    @Test
    void errorsAreReportedAsExceptionsAre() {
        assertEquals("ingrain: OutOfMemoryError: Java heap space (--debug shows where)\n",
                fail(1, new OutOfMemoryError("Java heap space")));
        assertEquals("ingrain: StackOverflowError: no message (--debug shows where)\n",
                fail(1, new StackOverflowError()));
        assertEquals("ingrain: NoClassDefFoundError: a/B (--debug shows where)\n",
                fail(1, new NoClassDefFoundError("a/B")));
        assertEquals("ingrain: IllegalStateException: x; y (--debug shows where)\n",
                fail(1, new IllegalStateException("x\n  y")));
    }

    @Test
    void aLongMessageIsCutInTheMiddle() {
        String said = fail(2,
                new InputException("a.jsonl line 3: answer " + "x".repeat(120_000) + ", expected a number"));
        assertTrue(said.length() < 1300, said);
        assertTrue(said.startsWith("ingrain: a.jsonl line 3: answer xxx"), said);
        assertTrue(said.endsWith("xxx, expected a number\n"), said);
    }
}
