package org.ingrain.cli;

import org.ingrain.tensor.InputException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;

/** The command line. Exit status: 0 done, 1 failed, 2 bad input, which gets one line on standard error. */
@Command(name = "ingrain", mixinStandardHelpOptions = true, versionProvider = Main.Version.class,
        description = "Turns the deliberate reasoning of a Llama-2-family chat model into its immediate answer.")
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        System.exit(commandLine().execute(arguments));
    }

    static CommandLine commandLine() {
        return new CommandLine(new Main()).setExecutionExceptionHandler((exception, command, parsed) -> {
            if (exception instanceof InputException) {
                command.getErr().println("ingrain: " + exception.getMessage());
                return CommandLine.ExitCode.USAGE;
            }
            throw exception;
        });
    }

    /** The version that the build wrote into the jar. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"ingrain " + Main.class.getPackage().getImplementationVersion()};
        }
    }
}
