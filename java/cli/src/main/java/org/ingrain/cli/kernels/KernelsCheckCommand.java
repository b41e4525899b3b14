package org.ingrain.cli.kernels;

import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ingrain.cli.flags.DeviceFlags;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
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
    "Checks and times your own kernels.",
    "Compares each kernel with the CPU oracle at every shape of its op, then times it and the built-in kernel. The "
    + "percentages refer to a peak measured in the same run: a device copy, or the backend's matrix product. Your "
    + "kernel runs in a separate process: a wrong, crashed or hanging kernel is reported in one line."},
        customSynopsis = "ingrain kernels check [OPTIONS] OP=FILE...",
        footer = "  ingrain kernels check rms_norm=my.cc")
final class KernelsCheckCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(arity = "1..*", paramLabel = "OP=FILE",
            description = "Op and kernel file (.so, .cc or .cu), such as rms_norm=my.cc.")
    private List<String> kernels;

    @Mixin
    private DeviceFlags device;

    @Under(Heading.EVALUATION)
    @Option(names = "--timeout", defaultValue = "120", paramLabel = "SECONDS",
            description = "Maximum time of a kernel at one shape (default: ${DEFAULT-VALUE}).")
    private int timeout;

    @Under(Heading.OUTPUT)
    @Option(names = "--json", description = "Print the result as JSON.")
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
                text.append(String.format(Locale.ROOT, "  does not support %d of them; the first: %s%n", op.refused(),
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
