package org.ingrain.cli.kernels;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import org.ingrain.workbench.KernelCheck;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/**
 * The command that {@link KernelsCheckCommand} executes in a separate process. The command writes messages to standard
 * output; each message begins with {@link #MARK}. The last message contains the result or an error. All messages before
 * it name the step that follows. All other output comes from kernels.
 */
@Command(name = "probe", hidden = true, description = "Runs the checks of 'kernels check' in a separate process.",
        customSynopsis = "ingrain kernels probe FILE", footer = "  ingrain kernels probe work.json")
final class KernelsProbe implements Callable<Integer> {
    static final String MARK = "\u0001ingrain ";
    static final String AT = "at ";
    static final String RESULT = "result ";
    static final String WRONG = "wrong ";

    @Parameters(paramLabel = "FILE", description = "The work as JSON.")
    private Path work;

    @Override
    public Integer call() {
        try {
            KernelCheck check = new KernelCheck(Json.parse(
                    DurableFile.read(work), KernelCheck.Work.class, work.toString()), where -> send(AT, where));
            send(RESULT, Json.line(check.run()));
        } catch (InputException e) {
            send(WRONG, e.getMessage());
        }
        return 0;
    }

    private static void send(String what, String text) {
        System.out.println(MARK + what + text);
        System.out.flush();
    }
}
