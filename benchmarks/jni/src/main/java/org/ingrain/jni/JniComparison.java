package org.ingrain.jni;

import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.json.JsonMapper;

/**
 * Compares, in one process, two ways to call CUDA from Java: JNI, which the bindings JCuda and JCublas use, and
 * Panama's java.lang.foreign, which the engine uses. The comparison times a driver call that does nothing, the launch
 * of a small kernel, and matrix products (cublasGemmEx through JCublas, and the engine's matmul). The comparison also
 * checks that both ways give the same results. JCublas 12 needs cuBLAS of CUDA 12. Without cuBLAS, the rows of the
 * products have only the engine's times, and the reason why JCublas has none.
 *
 * <p>A row is a line of JSON on standard output, with times in nanoseconds per call.
 *
 * <p>The arguments have this order: the backend; libcuda; the possible paths of libcublas.so.12, separated by commas
 * (the first that can be loaded is used); the numbers of rows of the products, separated by commas; then the products
 * as NAME:N:C.
 */
public final class JniComparison {
    private static final Timing.Length CALLS = new Timing.Length(10_000, 30, 31);
    private static final Timing.Length LAUNCHES = new Timing.Length(500, 100, 31);
    private static final Timing.Length PRODUCTS = new Timing.Length(20, 3, 11);
    /** Runs before the first timed product, so that the JIT compiler has compiled the loops around the products. */
    private static final Timing.Length SMALL_PRODUCTS = new Timing.Length(20, 500, 1);
    private static final double ROUNDING = 0x1p-7;   // four times the distance() that rounding to bf16 causes

    private final JniDriver jni;
    private final PanamaDriver panama;
    private final Ingrain ingrain;
    private final boolean cublas;

    private JniComparison(Context context, Plan plan) throws Throwable {
        SymbolLookup driver = open(plan.libcuda);
        if (driver == null) {
            throw new InputException(plan.libcuda + ": cannot be loaded; is the NVIDIA driver installed?");
        }
        ingrain = new Ingrain(context);
        jni = new JniDriver();
        panama = new PanamaDriver(driver);
        cublas = plan.libcublas.stream().anyMatch(JniComparison::openCublas);
    }

    /**
     * The arguments of the comparison.
     *
     * @param backend   the engine's backend
     * @param libcuda   path of libcuda, or a name that the loader finds
     * @param libcublas paths or names of libcublas.so.12; the first that can be loaded is used
     * @param rows      numbers of rows T of the products
     * @param products  NAME:N:C, the sizes of W (N, C)
     */
    record Plan(String backend, String libcuda, List<String> libcublas, List<Integer> rows, List<String> products) {
        static Plan of(String... arguments) {
            if (arguments.length < 4) {
                throw new InputException("expected BACKEND LIBCUDA LIBCUBLAS,... ROWS,... [NAME:N:C ...]");
            }
            return new Plan(arguments[0], arguments[1], List.of(arguments[2].split(",")),
                    Arrays.stream(arguments[3].split(",")).map(Integer::valueOf).toList(),
                    List.of(arguments).subList(4, arguments.length));
        }
    }

    public static void main(String[] arguments) throws Throwable {
        try {
            run(Plan.of(arguments), row -> System.out.println(JsonMapper.shared().writeValueAsString(row)));
        } catch (RuntimeException | LinkageError e) {
            System.err.println("jni: " + explain(e));
            System.exit(1);
        }
    }

    /** Outputs the row of each test as soon as the test is finished. */
    static void run(Plan plan, Consumer<Map<String, Object>> rows) throws Throwable {
        try (Backend backend = Backend.open(NativeLibraries.find(plan.backend)); Context context = backend.context(
                ContextOptions.defaults())) {
            JniComparison comparison = new JniComparison(context, plan);
            comparison.version(rows);
            comparison.launches(rows);
            comparison.product(8, 64, 64, SMALL_PRODUCTS);
            for (String product : plan.products) {
                String[] parts = product.split(":");
                for (int count : plan.rows) {
                    rows.accept(named(parts[0] + ", " + count + " rows",
                            comparison.product(count, Integer.parseInt(parts[1]), Integer.parseInt(parts[2]),
                            PRODUCTS)));
                }
            }
        }
    }

    /** Returns one line that names the failed call, because JCuda's messages are long or do not name the call. */
    private static String explain(Throwable e) {
        String what = e.toString().lines().findFirst().orElseThrow();
        return e instanceof InputException ? e.getMessage() : Arrays.stream(e.getStackTrace())
                .filter(frame -> frame.getClassName().startsWith(JniComparison.class.getPackageName()))
                .findFirst().map(frame -> what + " at " + frame).orElse(what);
    }

    /**
     * Loads a library and keeps it loaded, so that later look-ups of its soname find it. Returns null if loading fails.
     */
    static SymbolLookup open(String library) {
        try {
            return SymbolLookup.libraryLookup(library, Arena.global());
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    /**
     * Loads libcublas. If {@code library} is a path, first loads the libcublasLt of the same folder, which libcublas
     * needs.
     */
    private static boolean openCublas(String library) {
        if (library.contains(File.separator)) {
            open(new File(library).toPath().resolveSibling("libcublasLt.so.12").toString());
        }
        return open(library) != null;
    }

    private void version(Consumer<Map<String, Object>> rows) throws Throwable {
        Timing.Time[] times = Timing.run(CALLS, new Timing.Side(jni::version, () -> { }),
                new Timing.Side(panama::version, () -> { }), new Timing.Side(ingrain::weightBytes, () -> { }));
        Map<String, Object> row = row(times[0].host(), times[1].host(), "");
        if (jni.version(1) != panama.version(1)) {
            fail(row, "JCuda reports version " + jni.version(1) + ", Panama " + panama.version(1));
        }
        rows.accept(named("cuDriverGetVersion", row));
        rows.accept(named("ingrain_weight_bytes", row(null, times[2].host(), "")));
    }

    private void launches(Consumer<Map<String, Object>> rows) throws Throwable {
        Timing.Time[] times = Timing.run(LAUNCHES, new Timing.Side(jni::launch, jni::drain),
                new Timing.Side(panama::launch, panama::drain), new Timing.Side(ingrain::norm, ingrain::drain));
        Map<String, Object> row = row(times[0], times[1]);
        int last = LAUNCHES.calls() - 1;
        if (jni.marked() != last || panama.marked() != last) {
            fail(row, "the kernels stored " + jni.marked() + " and " + panama.marked() + ", not " + last);
        }
        rows.accept(named("cuLaunchKernel", row));
        rows.accept(named("ingrain_rms_norm_forward, 1 x " + Ingrain.WIDTH, row(null, times[2])));
    }

    private Map<String, Object> product(int t, int n, int c, Timing.Length length) throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            Product product = Product.of(t, n, c, arena);
            try (Ingrain.Matmul ours = ingrain.new Matmul(product)) {
                Timing.Side engine = new Timing.Side(ours::run, ingrain::drain);
                if (!cublas) {
                    Map<String, Object> row = row(null, Timing.run(length, engine)[0]);
                    row.put("result", "skipped: JCublas 12 needs libcublas.so.12 of CUDA 12, and there is none");
                    return row;
                }
                return compared(product, ours, engine, length);
            }
        }
    }

    private Map<String, Object> compared(Product product, Ingrain.Matmul ours, Timing.Side engine, Timing.Length length)
            throws Throwable {
        try (Arena arena = Arena.ofConfined(); JCublasProduct theirs = new JCublasProduct(product, jni)) {
            Timing.Time[] times = Timing.run(length, new Timing.Side(theirs::run, jni::drain), engine);
            Map<String, Object> row = row(times[0], times[1]);
            MemorySegment found = arena.allocate(Product.bytes(product.t(), product.n()), Short.BYTES);
            MemorySegment expected = arena.allocate(found.byteSize(), Short.BYTES);
            ours.read(found);
            theirs.read(expected);
            double distance = Product.distance(found, expected);
            if (!(distance <= ROUNDING)) {
                fail(row, "the relative distance of the products is " + distance + ", expected at most " + ROUNDING);
            }
            return row;
        }
    }

    private static Map<String, Object> row(Timing.Time jni, Timing.Time panama) {
        Map<String, Object> row = row(jni == null ? null : jni.host(), panama.host(), "");
        row.putAll(row(jni == null ? null : jni.drained(), panama.drained(), " drained"));
        return row;
    }

    private static Map<String, Object> row(Double jni, double panama, String what) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("JCuda ns" + what, jni);
        row.put("Panama ns" + what, panama);
        row.put("JCuda / Panama" + what, jni == null ? null : jni / panama);
        return row;
    }

    private static void fail(Map<String, Object> row, String why) {
        row.put("result", "FAILED");
        row.put("why", why);
    }

    private static Map<String, Object> named(String test, Map<String, Object> figures) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("test", test);
        row.put("result", "passed");
        row.putAll(figures);
        return row;
    }
}
