package org.ingrain.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.ingrain.cli.bench.BenchCommand;
import org.ingrain.cli.flags.FlagNames;
import org.ingrain.cli.flags.HelpPage;
import org.ingrain.cli.flags.Recipe;
import org.ingrain.cli.flags.RunFlags;
import org.ingrain.cli.flags.Suggestions;
import org.ingrain.cli.kernels.KernelsCommand;
import org.ingrain.engine.Fingerprint;
import org.ingrain.files.DurableFile;
import org.ingrain.files.StandardOutput;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.InputException;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.ScopeType;

/**
 * The command line. The exit status is 0 for success, 1 for a failure, 2 for bad input or too little memory, and 3 if
 * curation kept no training example. A failure is reported in one line on standard error.
 */
@Command(name = "ingrain", versionProvider = Main.Version.class, mixinStandardHelpOptions = true,
        scope = ScopeType.INHERIT, sortOptions = false, usageHelpAutoWidth = true, usageHelpWidth = Main.WIDTH,
        descriptionHeading = "%n", parameterListHeading = "%nArguments:%n", commandListHeading = "%nCommands:%n",
        footerHeading = "%nExamples:%n",
        customSynopsis = "ingrain COMMAND [OPTIONS]",
        description = {"Distils the deliberate reasoning of a chat model (System 2) into its direct answer (System 1).",
    "Each command has its own --help."},
        footer = {
    "  ingrain demo",
    "  ingrain generate --model models/lab --prompt 'Spell the word \"Ann\".'"})
public final class Main implements Callable<Integer> {
    /** Width of a help text in columns if the width of the terminal is unknown. */
    static final int WIDTH = 100;
    private static final int FAILED = 1;
    private static final Path ARGUMENTS = Path.of("/proc/self/cmdline");
    /**
     * Maximum length of an error message, in characters. A longer message usually contains a long quotation; it is
     * shortened in the middle.
     */
    private static final int LONGEST_MESSAGE = 1200;

    @Option(names = "--debug", scope = ScopeType.INHERIT, description = "Print the stack trace of a failure.")
    private boolean debug;

    private Main() {
    }

    public static void main(String[] arguments) {
        System.setOut(StandardOutput.open());
        System.setErr(new PrintStream(System.err, true, StandardCharsets.UTF_8));
        if (List.of(arguments).equals(List.of("--version")) && printsVersion()) {
            return;   // System.exit would load the logging library
        }
        CommandLine line = commandLine(arguments).setOut(new PrintWriter(System.out, true))
                .setErr(new PrintWriter(System.err, true));
        System.exit(execute(line, arguments));
    }

    /** Prints the version without creating a command-line parser. Returns false if the output cannot be written. */
    private static boolean printsVersion() {
        try {
            System.out.println(new Version().getVersion()[0]);
            return true;
        } catch (StandardOutput.Failure e) {
            return false;
        }
    }

    /**
     * Executes a command. If the command has a recipe, the flags of the recipe are added first. Returns the exit
     * status.
     */
    static int execute(CommandLine line, String... arguments) {
        try {
            requireUtf8();
            return line.execute(Recipe.expand(RunFlags.expand(arguments), Main::commandLine));
        } catch (InputException e) {
            line.getErr().println("ingrain: " + oneLine(e.getMessage()));
            return CommandLine.ExitCode.USAGE;
        }
    }

    /**
     * Rejects arguments that are not UTF-8. Java has already decoded them incorrectly, so they differ from the texts or
     * file names that the user entered.
     */
    private static void requireUtf8() {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(Files.readAllBytes(ARGUMENTS)));
        } catch (CharacterCodingException e) {
            throw new InputException("an argument is not UTF-8, expected UTF-8 in texts and file names", e);
        } catch (IOException e) {
            throw DurableFile.unreadable(ARGUMENTS, e);
        }
    }

    /** The parser of all commands. */
    public static CommandLine commandLine() {
        return commandLine(new String[0]);
    }

    /**
     * The parser for these arguments. If the first argument is the name of a command, the parser has only this command;
     * if it is {@code --version}, the parser has no commands. The parser is limited to save time: picocli reads the
     * options of each command by reflection. For all commands this takes longer than everything else that
     * {@code --version} does.
     */
    static CommandLine commandLine(String[] arguments) {
        Main main = new Main();
        CommandLine line = new CommandLine(main);
        commands(arguments).forEach(line::addSubcommand);
        HelpPage.install(line);
        CommandLine completion = line.getSubcommands().get("generate-completion");
        if (completion != null) {
            completion.getCommandSpec().usageMessage().description("Prints a completion script for bash and zsh.")
                    .optionListHeading("").customSynopsis("ingrain generate-completion")
                    .footer("  source <(ingrain generate-completion)");
        }
        return line
                .setExecutionStrategy(parsed -> main.run(parsed))
                .setExecutionExceptionHandler((exception, command, parsed) -> main.explain(exception, command))
                .setParameterExceptionHandler(Main::refuse)
                .setExpandAtFiles(false);
    }

    private static List<Class<?>> commands(String[] arguments) {
        List<Class<?>> all = List.of(DemoCommand.class, GenerateCommand.class, ServeCommand.class,
                DistillCommand.class, FinetuneCommand.class, EvaluateCommand.class, MergeCommand.class,
                ExportCommand.class, CompareCommand.class, TokenizeCommand.class, BenchCommand.class,
                DevicesCommand.class, KernelsCommand.class, LabCommand.class, AutoComplete.GenerateCompletion.class);
        String first = arguments.length == 0 ? "" : arguments[0];
        if (first.equals("--version")) {
            return List.of();
        }
        List<Class<?>> named = all.stream().filter(command -> command != AutoComplete.GenerateCompletion.class
                && command.getAnnotation(Command.class).name().equals(first)).toList();
        return named.isEmpty() ? all : named;
    }

    @Override
    public Integer call() {
        commandLine().usage(System.err);
        return CommandLine.ExitCode.USAGE;
    }

    /**
     * Runs the command. Picocli's exception handler receives only exceptions that a command throws. This method also
     * handles every {@link Error}, and write failures of standard output while a help text is printed.
     */
    private int run(ParseResult parsed) {
        try {
            return new CommandLine.RunLast().execute(parsed);
        } catch (StandardOutput.Failure | Error e) {
            return explain(e, parsed.commandSpec().commandLine());
        }
    }

    private int explain(Throwable exception, CommandLine command) {
        if (exception instanceof StandardOutput.Failure failure) {
            if (!failure.closedByReader()) {
                command.getErr().println("ingrain: " + oneLine(failure.getMessage()));
            }
            return FAILED;
        }
        if (debug) {
            Thread thread = Thread.currentThread();
            thread.getUncaughtExceptionHandler().uncaughtException(thread, exception);   // prints the stack trace
            return status(exception);
        }
        String kind = status(exception) == FAILED ? exception.getClass().getSimpleName() + ": " : "";
        String message = exception instanceof InputException input ? FlagNames.message(input, command.getCommandSpec())
                : exception.getMessage();
        command.getErr().println("ingrain: " + kind + oneLine(message)
                + (kind.isEmpty() ? "" : " (--debug shows where)"));
        return status(exception);
    }

    /**
     * Returns the exit status for an exception: 2 for errors that the user can correct, which are bad input and too
     * little memory, and otherwise {@link #FAILED}.
     */
    private static int status(Throwable exception) {
        boolean input = exception instanceof InputException || exception instanceof BackendException backend
                && backend.outOfMemory();
        return input ? CommandLine.ExitCode.USAGE : FAILED;
    }

    private static int refuse(ParameterException exception, String[] arguments) {
        CommandLine command = exception.getCommandLine();
        command.getErr().println("ingrain: " + oneLine(Suggestions.message(exception)) + " (see '"
                + command.getCommandSpec().qualifiedName() + " --help')");
        return CommandLine.ExitCode.USAGE;
    }

    private static String oneLine(String message) {
        String line = message == null ? "no message" : message.strip().replaceAll("\\s*\\R\\s*", "; ");
        int half = LONGEST_MESSAGE / 2;
        return line.length() <= LONGEST_MESSAGE ? line
                : line.substring(0, half) + " [...] " + line.substring(line.length() - half);
    }

    /** Provides the program version that the build wrote into the jar. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"ingrain " + Fingerprint.version()};
        }
    }
}
