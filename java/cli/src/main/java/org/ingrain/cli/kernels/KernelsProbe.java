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
 * The other process of {@link KernelsCheckCommand}. Says in lines that begin with {@link #MARK} where it is, then the
 * result or what is wrong; any other line is a kernel's own.
 */
@Command(name = "probe", hidden = true, description = "What 'kernels check' runs in a process of its own.")
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
                    DurableFile.read(work), KernelCheck.Work.class, work.toString()), where -> say(AT, where));
            say(RESULT, Json.line(check.run()));
        } catch (InputException e) {
            say(WRONG, e.getMessage());
        }
        return 0;
    }

    private static void say(String what, String text) {
        System.out.println(MARK + what + text);
        System.out.flush();
    }
}
