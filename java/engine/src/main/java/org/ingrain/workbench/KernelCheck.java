package org.ingrain.workbench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Device;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.ffi.Overlay;
import org.ingrain.tensor.BackendException;
import org.ingrain.tensor.InputException;

/**
 * Holds a user's kernels to the CPU oracle at every shape of their ops, and then to the clock. A kernel can end the
 * process or never return: the command line runs this in a process of its own.
 */
public final class KernelCheck {
    private static final int UNSUPPORTED = 3;

    private final Work work;
    private final Listener listener;

    /**
     * What is checked.
     *
     * @param library of the backend
     * @param backend its name: cpu, cuda or simt
     * @param options of the contexts
     * @param kernels as libraries
     */
    public record Work(Path library, String backend, ContextOptions options, List<Overlay> kernels) {
    }

    /** Receives the position of the check. */
    public interface Listener {
        /** @param where file, op and shape that are next; empty if the next op is not the user's */
        void at(String where);
    }

    /**
     * The speed of the user's op at a shape, compared with the backend's own op.
     *
     * @param shape               letters as in the header
     * @param milliseconds        of one call
     * @param builtInMilliseconds of the backend's own op
     * @param gigabytesPerSecond  that it must move
     * @param teraflops           that it must compute, per second
     * @param bound               memory or compute: which ceiling is nearer
     * @param share               of that ceiling, measured beside it; over 1 where its tensors fit in a cache
     */
    public record Timing(String shape, double milliseconds, double builtInMilliseconds, double gigabytesPerSecond,
            double teraflops, String bound, double share) {
    }

    /**
     * An op that passed the check.
     *
     * @param op      its name
     * @param source  the user's file
     * @param shapes  number of shapes at which it agrees with the oracle
     * @param refused number of shapes that it does not support
     * @param refusal its message for the first of them, or null
     * @param timings of the shapes it supports
     */
    public record Checked(String op, String source, int shapes, int refused, String refusal, List<Timing> timings) {
    }

    /**
     * All of it.
     *
     * @param device                 that computes
     * @param copyGigabytesPerSecond a device copy in the same run: the ceiling of what memory bounds
     * @param matmulTeraflops        the backend's own product in the same run: the ceiling of what arithmetic bounds
     * @param ops                    in order of name
     */
    public record Result(Device device, double copyGigabytesPerSecond, double matmulTeraflops, List<Checked> ops) {
    }

    public KernelCheck(Work work, Listener listener) {
        this.work = work;
        this.listener = listener;
    }

    /** @throws InputException in one line, at the first thing that is wrong */
    public Result run() {
        Cases.Scale scale = Cases.Scale.of(work.backend());
        Map<String, Cases.Group> groups = Cases.of(scale).stream()
                .collect(Collectors.toMap(Cases.Group::op, Function.identity()));
        try (Backend oracle = Backend.open(NativeLibraries.find("cpu")); Backend plain = Backend.open(work.library());
                Backend swapped = Backend.open(work.library(), work.kernels())) {
            Side.Computer right = new Side.Computer(oracle, oracle,
                    new ContextOptions(0, work.options().threads(), "avx2"));
            Side.Computer own = new Side.Computer(plain, plain, work.options());
            Side.Computer user = new Side.Computer(plain, swapped, work.options());
            List<Checked> ops = new ArrayList<>();
            for (Map.Entry<String, Path> kernel : swapped.overlaid().entrySet()) {
                ops.add(compared(groups.get(kernel.getKey()), kernel.getValue(), right, user));
            }
            listener.at("");
            try (Side side = own.open(null)) {
                KernelTimer.Ceiling ceiling = KernelTimer.Ceiling.measure(side, scale);
                List<Checked> timed = ops.stream().map(op -> timed(op, groups.get(op.op()), own, user, ceiling))
                        .toList();
                return new Result(side.context().device(), ceiling.bytesPerSecond() / 1e9,
                        ceiling.flopsPerSecond() / 1e12, timed);
            }
        }
    }

    private static String where(Path source, Case at) {
        return source + ": " + at.op() + " at " + at.shape();
    }

    /** The op with no timings yet. */
    private Checked compared(Cases.Group group, Path source, Side.Computer right, Side.Computer user) {
        int agreed = 0;
        int refused = 0;
        String refusal = null;
        for (Case at : group.compared()) {
            listener.at(where(source, at));
            try (Side oracle = right.open(null); Side side = user.open(oracle)) {
                Comparison.hold(where(source, at), oracle, at.on(oracle), side, at.on(side));
                agreed++;
            } catch (BackendException e) {
                refusal = refusal == null ? refusal(source, at, e) : refusal;
                refused++;
            }
        }
        if (agreed == 0) {
            throw new InputException(source + ": " + group.op() + " supports none of " + refused
                    + " shapes; its first refusal: " + refusal);
        }
        return new Checked(group.op(), source.toString(), agreed, refused, refusal, List.of());
    }

    /** What a kernel says of a shape that it does not support; any other failure is the kernel's fault. */
    private static String refusal(Path source, Case at, BackendException e) {
        if (e.status() != UNSUPPORTED) {
            throw new InputException(where(source, at) + ": fails with status " + e.status() + ": " + e.getMessage(),
                    e);
        }
        return at.shape() + ": " + e.getMessage();
    }

    private Checked timed(Checked op, Cases.Group group, Side.Computer own, Side.Computer user,
            KernelTimer.Ceiling ceiling) {
        List<Timing> timings = new ArrayList<>();
        for (Case at : group.timed()) {
            String where = where(Path.of(op.source()), at);
            listener.at(where);
            try (Side builtIn = own.open(null); Side side = user.open(null)) {
                Call call = at.on(side);
                Call usual = at.on(builtIn);
                Comparison.hold(where, builtIn, usual, side, call);
                timings.add(ceiling.beside(at.shape(), new Side[] {side, builtIn}, call, usual));
            } catch (BackendException e) {
                refusal(Path.of(op.source()), at, e);
            }
        }
        return new Checked(op.op(), op.source(), op.shapes(), op.refused(), op.refusal(), timings);
    }
}
