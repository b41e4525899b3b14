package org.ingrain.cli.kernels;

import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.DeviceFlags;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import org.ingrain.workbench.KernelCheck;
import org.ingrain.workbench.KernelFile;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(name = "check", description = {
    "Holds a kernel of your own to the CPU oracle at every shape of its ops, then times it beside the built-in one.",
    "The share is of a ceiling measured in the same run: a device copy, or the backend's own matrix product.",
    "Runs in a process of its own: a kernel that crashes or hangs is one line, as one that is wrong."})
final class KernelsCheckCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(arity = "1..*", paramLabel = "OP=FILE", description = "Such as rms_norm=my.so, my.cc or my.cu.")
    private List<String> kernels;

    @Mixin
    private DeviceFlags device;

    @Option(names = "--timeout", defaultValue = "120", paramLabel = "SECONDS",
            description = "How long a kernel may take at one shape (default: ${DEFAULT-VALUE}).")
    private int timeout;

    @Option(names = "--json", description = "The result as JSON.")
    private boolean json;

    @Override
    public Integer call() {
        if (timeout < 1) {
            throw new InputException("--timeout: " + timeout + ", expected 1 second or more");
        }
        List<KernelFile> files = kernels.stream().map(KernelFile::parse).toList();
        String program = spec.root().userObject().getClass().getName();
        KernelCheck.Result result = new ProbeProcess(program, timeout).run(device, files);
        System.out.println(json ? Json.line(result) : table(result));
        return 0;
    }

    private static String table(KernelCheck.Result result) {
        StringBuilder text = new StringBuilder(String.format(
                Locale.ROOT, "%s, %s: copy %.1f GB/s, matmul %.3g TFLOP/s%n", result.device().name(),
                result.device().isa(), result.copyGigabytesPerSecond(), result.matmulTeraflops()));
        int width = result.ops().stream().flatMap(op -> op.timings().stream()).mapToInt(at -> at.shape().length()).max()
                .orElse(1);
        for (KernelCheck.Checked op : result.ops()) {
            text.append(String.format(Locale.ROOT, "%n%s of %s: agrees with the oracle at %d shapes%n", op.op(),
                    op.source(), op.shapes()));
            if (op.refused() > 0) {
                text.append(String.format(Locale.ROOT, "  does not support %d, the first: %s%n", op.refused(),
                        op.refusal()));
            }
            for (KernelCheck.Timing at : op.timings()) {
                boolean memory = at.bound().equals("memory");
                text.append(
                        String.format(Locale.ROOT, "  %-" + width
                                + "s %10.4f ms  %8.4g %s  %3.0f %% of %-6s  %.2f times as fast as the built-in (%.4f "
                                + "ms)%n", at.shape(), at.milliseconds(), memory ? at.gigabytesPerSecond()
                                : at.teraflops(), memory ? "GB/s   " : "TFLOP/s", 100 * at.share(), memory ? "copy"
                                : "matmul", at.builtInMilliseconds() / at.milliseconds(), at.builtInMilliseconds()));
            }
        }
        return text.toString().stripTrailing();
    }
}
