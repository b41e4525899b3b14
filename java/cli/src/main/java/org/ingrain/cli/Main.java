package org.ingrain.cli;

import java.util.concurrent.Callable;
import org.ingrain.cli.bench.BenchCommand;
import org.ingrain.cli.flags.FlagNames;
import org.ingrain.cli.flags.Recipe;
import org.ingrain.cli.kernels.KernelsCommand;
import org.ingrain.engine.Fingerprint;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.InputException;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;

/**
 * The command line. Exit status: 0 done, 1 failed, 2 bad input, 3 curation kept nothing; a failure is one line on
 * standard error.
 */
@Command(name = "ingrain", versionProvider = Main.Version.class, mixinStandardHelpOptions = true,
        scope = ScopeType.INHERIT, sortOptions = false, usageHelpAutoWidth = true,
        description = "Turns the deliberate reasoning of a Llama-2-family chat model into its immediate answer.",
        subcommands = {DemoCommand.class, GenerateCommand.class, DistillCommand.class, FinetuneCommand.class,
                EvaluateCommand.class, MergeCommand.class, TokenizeCommand.class, BenchCommand.class,
                DevicesCommand.class, KernelsCommand.class, LabCommand.class,
            AutoComplete.GenerateCompletion.class})
public final class Main implements Callable<Integer> {
    private static final int FAILED = 1;

    @Option(names = "--debug", scope = ScopeType.INHERIT, description = "Print the stack trace of a failure.")
    private boolean debug;

    private Main() {
    }

    public static void main(String[] arguments) {
        System.exit(execute(commandLine(), arguments));
    }

    /** Runs a command, a recipe's flags among its own; the exit status. */
    static int execute(CommandLine line, String... arguments) {
        String[] expanded;
        try {
            expanded = Recipe.expand(arguments, commandLine());
        } catch (InputException e) {
            line.getErr().println("ingrain: " + oneLine(e.getMessage()));
            return CommandLine.ExitCode.USAGE;
        }
        return line.execute(expanded);
    }

    public static CommandLine commandLine() {
        Main main = new Main();
        return new CommandLine(main)
                .setExecutionExceptionHandler((exception, command, parsed) -> main.explain(exception, command))
                .setExitCodeExceptionMapper(Main::status)
                .setParameterExceptionHandler(Main::refuse)
                .setExpandAtFiles(false);
    }

    @Override
    public Integer call() {
        CommandLine.usage(this, System.err);
        return CommandLine.ExitCode.USAGE;
    }

    private int explain(Exception exception, CommandLine command) throws Exception {
        if (debug) {
            throw exception;   // picocli prints where, and asks status()
        }
        String kind = status(exception) == FAILED ? exception.getClass().getSimpleName() + ": " : "";
        String message = exception instanceof InputException input ? FlagNames.message(input, command.getCommandSpec())
                : exception.getMessage();
        command.getErr().println("ingrain: " + kind + oneLine(message)
                + (kind.isEmpty() ? "" : " (--debug shows where)"));
        return status(exception);
    }

    /** 2 for what the user can mend: bad input, too little memory. */
    private static int status(Throwable exception) {
        boolean input = exception instanceof InputException || exception instanceof BackendException backend
                && backend.outOfMemory();
        return input ? CommandLine.ExitCode.USAGE : FAILED;
    }

    private static int refuse(ParameterException exception, String[] arguments) {
        CommandLine command = exception.getCommandLine();
        command.getErr().println("ingrain: " + oneLine(exception.getMessage()) + " (see '" + command.getCommandSpec()
                .qualifiedName()
                + " --help')");
        return CommandLine.ExitCode.USAGE;
    }

    private static String oneLine(String message) {
        return message == null ? "no message" : message.strip().replaceAll("\\s*\\R\\s*", "; ");
    }

    /** The version that the build wrote into the jar. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"ingrain " + Fingerprint.version()};
        }
    }
}
