package org.ingrain.doors;

import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.json.JsonMapper;

/**
 * JNI beside Panama in one process: a call of CUDA's driver that does nothing, a launch, a product. A line of JSON per test on standard
 * output, times in nanoseconds a call.
 *
 * <p>Arguments: the backend, libcuda, the places of libcublas.so.12 in the order to try (commas between), the rows of the products
 * (commas between), then the products as NAME:N:C.
 */
public final class Doors {
    private static final Race.Length BARE = new Race.Length(10_000, 30, 31);
    private static final Race.Length LAUNCHES = new Race.Length(500, 100, 31);
    private static final Race.Length PRODUCTS = new Race.Length(20, 3, 11);
    /** Brings the loops around products to the compiler before the first one is timed. */
    private static final Race.Length SMALL_PRODUCTS = new Race.Length(20, 500, 1);
    private static final double ROUNDING = 0x1p-7;   // four times what two roundings to bf16 make

    private final JniDriver jni;
    private final FfmDriver ffm;
    private final Ingrain ingrain;
    private final boolean cublas;

    private Doors(Context context, String libcuda, String[] libcublas) throws Throwable {
        SymbolLookup driver = open(libcuda);
        if (driver == null) {
            throw new InputException(libcuda + ": cannot be loaded; is the NVIDIA driver installed?");
        }
        ingrain = new Ingrain(context);
        jni = new JniDriver();
        ffm = new FfmDriver(driver);
        cublas = List.of(libcublas).stream().anyMatch(Doors::openCublas);
    }

    public static void main(String[] arguments) throws Throwable {
        try (Backend backend = Backend.open(NativeLibraries.find(arguments[0])); Context context = backend.context(ContextOptions.defaults())) {
            Doors doors = new Doors(context, arguments[1], arguments[2].split(","));
            doors.version();
            doors.launches();
            doors.product(8, 64, 64, SMALL_PRODUCTS);
            for (String product : List.of(arguments).subList(4, arguments.length)) {
                String[] parts = product.split(":");
                for (String rows : arguments[3].split(",")) {
                    print(parts[0] + ", " + rows + " rows",
                            doors.product(Integer.parseInt(rows), Integer.parseInt(parts[1]), Integer.parseInt(parts[2]), PRODUCTS));
                }
            }
        } catch (RuntimeException | LinkageError e) {
            System.err.println("doors: " + explain(e));
            System.exit(1);
        }
    }

    /** One line; JCuda's messages are long or do not name the call, so it says where. */
    private static String explain(Throwable e) {
        String what = e.toString().lines().findFirst().orElseThrow();
        return e instanceof InputException ? e.getMessage() : Arrays.stream(e.getStackTrace())
                .filter(frame -> frame.getClassName().startsWith(Doors.class.getPackageName()))
                .findFirst().map(frame -> what + " at " + frame).orElse(what);
    }

    /** The library, loaded for good, or null; who needs it later by its soname gets this one. */
    private static SymbolLookup open(String library) {
        try {
            return SymbolLookup.libraryLookup(library, Arena.global());
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    /** In a folder that the loader does not search, the libcublasLt that it needs has to be loaded first. */
    private static boolean openCublas(String library) {
        if (library.contains(File.separator)) {
            open(new File(library).toPath().resolveSibling("libcublasLt.so.12").toString());
        }
        return open(library) != null;
    }

    private void version() throws Throwable {
        Race.Time[] times = Race.run(BARE, new Race.Lane(jni::version, () -> { }), new Race.Lane(ffm::version, () -> { }),
                new Race.Lane(ingrain::weightBytes, () -> { }));
        Map<String, Object> row = row(times[0].host(), times[1].host(), "");
        if (jni.version(1) != ffm.version(1)) {
            fail(row, "the doors tell versions " + jni.version(1) + " and " + ffm.version(1));
        }
        print("cuDriverGetVersion", row);
        print("ingrain_weight_bytes", row(null, times[2].host(), ""));
    }

    private void launches() throws Throwable {
        Race.Time[] times = Race.run(LAUNCHES, new Race.Lane(jni::launch, jni::drain), new Race.Lane(ffm::launch, ffm::drain),
                new Race.Lane(ingrain::norm, ingrain::drain));
        Map<String, Object> row = row(times[0], times[1]);
        int last = LAUNCHES.calls() - 1;
        if (jni.marked() != last || ffm.marked() != last) {
            fail(row, "the kernels stored " + jni.marked() + " and " + ffm.marked() + ", not " + last);
        }
        print("cuLaunchKernel", row);
        print("ingrain_rms_norm_forward, 1 x " + Ingrain.WIDTH, row(null, times[2]));
    }

    private Map<String, Object> product(int t, int n, int c, Race.Length length) throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            Product product = Product.of(t, n, c, arena);
            try (Ingrain.Matmul ours = ingrain.new Matmul(product)) {
                Race.Lane lane = new Race.Lane(ours::run, ingrain::drain);
                if (!cublas) {
                    Map<String, Object> row = row(null, Race.run(length, lane)[0]);
                    row.put("result", "skipped: no libcublas.so.12");
                    return row;
                }
                return beside(product, ours, lane, length);
            }
        }
    }

    private Map<String, Object> beside(Product product, Ingrain.Matmul ours, Race.Lane lane, Race.Length length) throws Throwable {
        try (Arena arena = Arena.ofConfined(); JCublasProduct theirs = new JCublasProduct(product, jni)) {
            Race.Time[] times = Race.run(length, new Race.Lane(theirs::run, jni::drain), lane);
            Map<String, Object> row = row(times[0], times[1]);
            MemorySegment found = arena.allocate(Product.bytes(product.t(), product.n()), Short.BYTES);
            MemorySegment expected = arena.allocate(found.byteSize(), Short.BYTES);
            ours.read(found);
            theirs.read(expected);
            double distance = Product.distance(found, expected);
            if (!(distance <= ROUNDING)) {
                fail(row, "the products differ by " + distance + " of their norm, at most " + ROUNDING);
            }
            return row;
        }
    }

    private static Map<String, Object> row(Race.Time jni, Race.Time ffm) {
        Map<String, Object> row = row(jni == null ? null : jni.host(), ffm.host(), "");
        row.putAll(row(jni == null ? null : jni.drained(), ffm.drained(), " drained"));
        return row;
    }

    private static Map<String, Object> row(Double jni, double ffm, String what) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("JCuda ns" + what, jni);
        row.put("Panama ns" + what, ffm);
        row.put("JCuda / Panama" + what, jni == null ? null : jni / ffm);
        return row;
    }

    private static void fail(Map<String, Object> row, String why) {
        row.put("result", "FAILED");
        row.put("why", why);
    }

    private static void print(String test, Map<String, Object> figures) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("test", test);
        row.put("result", "passed");
        row.putAll(figures);
        System.out.println(JsonMapper.shared().writeValueAsString(row));
    }
}
