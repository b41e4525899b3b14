package org.ingrain.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.ffi.Inspect;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** sample.cc: drawn ids, their frequencies and their log-probabilities. */
class SampleParityTest extends ParityTest {
    /** Settings of one run, the same for all rows. */
    private record Settings(float temperature, int topK, float topP) {
    }

    private record Drawn(int[] ids, float[] logProbabilities) {
    }

    /** The part of the key of the random numbers that differs between the rows. The other two parts are constant. */
    private enum Key { SEED, SEQUENCE, POSITION }

    private static final int DRAWS = 20_000;
    private static final List<Settings> SETTINGS = List.of(
            new Settings(1, 0, 1), new Settings(0.6f, 0, 1), new Settings(2.5f, 7, 1), new Settings(1, 0, 0.8f),
            new Settings(0.8f, 12, 0.9f), new Settings(1, 1000, 0.999f));

    @Override
    List<Check> checks() {
        return List.of(new Check("sample", "greedy", SampleParityTest::greedy),
                new Check("sample", "greedy of ties", SampleParityTest::ties),
                new Check("sample", "by seed", lab -> usualDistribution(lab, Key.SEED)),
                new Check("sample", "by sequence", lab -> usualDistribution(lab, Key.SEQUENCE)),
                new Check("sample", "by position", lab -> usualDistribution(lab, Key.POSITION)),
                new Check("sample", "large vocabulary", lab -> large(lab, 16, 32_003)),
                new Check("sample", "vocabularies at the limits of a GPU's shared memory", SampleParityTest::limits),
                new Check("sample", "a vocabulary larger than a GPU's shared memory", lab -> large(lab, 4, 131_075)));
    }

    @Override
    List<Check> longChecks() {
        return Arrays.stream(Key.values()).map(key -> new Check("sample", DRAWS + " draws by " + key,
                lab -> distribution(lab, key, DRAWS, SETTINGS))).toList();
    }

    /**
     * Samples from rows whose sizes in bytes are near the two limits of shared memory, 48 KB and 227 KB. The largest
     * rows fit because the kernel has only 584 bytes of static shared memory. With 1,024 bytes they would not fit.
     */
    private static void limits(ParityCheck lab) {
        for (int v : new int[] {8192, 12_288, 54_000, 57_900}) {
            large(lab, 2, v);
        }
    }

    private static void greedy(ParityCheck lab) {
        for (int v : new int[] {1, 7, 127, 32003}) {
            int m = 5;
            for (double std : new double[] {1, 1e4}) {
                ParityCheck.Data logits = lab.normal(std, DType.F32, m, v);
                float[] logSoftmax = logSoftmax(lab, logits.values(), m, v);
                long[] best = lab.reference(torch -> torch.array(logits.values(), m, v).argMax(-1).toLongArray());
                int[] expected = Arrays.stream(best).mapToInt(Math::toIntExact).toArray();
                for (Settings settings : List.of(new Settings(0, 0, 1), new Settings(0, 3, 0.5f), new Settings(1, 1, 1),
                        new Settings(1, 0, 1e-9f))) {
                    Drawn drawn = draw(lab, logits, settings, Key.POSITION);
                    assertArrayEquals(expected, drawn.ids(), settings + " of V " + v);
                    checkLogProbabilities(drawn, logSoftmax, v, std);
                }
                Tensor ids = lab.output(DType.I32, m);
                lab.ops().sample(ids, null, logits.tensor(), rows(lab, m, new Settings(0, 0, 1), Key.POSITION));
                assertArrayEquals(expected, Inspect.ints(lab.context(), ids), "without log-probabilities");
            }
        }
    }

    /** In a tie the lowest id is drawn. Either all logits are equal, or two logits with distant ids are the largest. */
    private static void ties(ParityCheck lab) {
        int v = 131;
        float[] values = new float[3 * v];
        values[v + 5] = 9;
        values[v + 130] = 9;
        Arrays.fill(values, 2 * v, 3 * v, -1e30f);
        values[2 * v + 17] = -0f;
        values[2 * v + 18] = 0f;
        ParityCheck.Data logits = lab.data(DType.F32, values, 3, v);
        for (Settings settings : List.of(new Settings(0, 0, 1), new Settings(1, 1, 1), new Settings(0.7f, 0, 1e-9f))) {
            Drawn drawn = draw(lab, logits, settings, Key.SEED);
            assertArrayEquals(new int[] {0, 5, 17}, drawn.ids(), settings.toString());
            checkLogProbabilities(drawn, logSoftmax(lab, values, 3, v), v, 1);
        }
    }

    /**
     * Tests all settings with all keys. On an emulated GPU there are fewer draws, and only one key is tested with all
     * settings. This is enough: the key determines the random number, and the settings determine how it is used.
     */
    private static void usualDistribution(ParityCheck lab, Key key) {
        boolean emulated = lab.target().emulated();
        distribution(lab, key, emulated ? DRAWS / 4 : DRAWS,
                emulated && key != Key.SEED ? SETTINGS.subList(0, 1) : SETTINGS);
    }

    /** Tests the frequencies of m draws from one row of logits with Pearson's chi-square test. */
    private static void distribution(ParityCheck lab, Key key, int m, List<Settings> all) {
        int v = 40;
        float[] row = lab.normal(1.5, DType.F32, 1, v).values();
        row[v - 1] = row[3];
        float[] values = new float[m * v];
        IntStream.range(0, m).forEach(i -> System.arraycopy(row, 0, values, i * v, v));
        ParityCheck.Data logits = lab.data(DType.F32, values, m, v);
        float[] logSoftmax = logSoftmax(lab, row, 1, v);
        Integer[] order = SampleDistribution.order(row);
        for (Settings settings : all) {
            Drawn drawn = draw(lab, logits, settings, key);
            double[] p = SampleDistribution.of(row, order, settings.temperature(), settings.topK(), settings.topP());
            SampleDistribution.assertDrawnFrom(settings.toString(), p, drawn.ids());
            for (int i = 0; i < m; i++) {
                assertEquals(logSoftmax[drawn.ids()[i]], drawn.logProbabilities()[i], 1e-5,
                        "log-probability of id " + drawn.ids()[i]);
            }
        }
    }

    /**
     * Checks that each drawn id has a positive probability under the settings, and that the reported log-probability of
     * the id is its log-probability in the whole row.
     */
    private static void large(ParityCheck lab, int m, int v) {
        ParityCheck.Data logits = lab.normal(3, DType.F32, m, v);
        float[] logSoftmax = logSoftmax(lab, logits.values(), m, v);
        float[][] rows = new float[m][];
        Arrays.setAll(rows, i -> Floats.slice(logits.values(), (long) i * v, (i + 1L) * v));
        Integer[][] orders = Arrays.stream(rows).map(SampleDistribution::order).toArray(Integer[][]::new);
        for (Settings settings : SETTINGS) {
            Drawn drawn = draw(lab, logits, settings, Key.SEED);
            checkLogProbabilities(drawn, logSoftmax, v, 12);
            for (int i = 0; i < m; i++) {
                double[] p = SampleDistribution.of(rows[i], orders[i], settings.temperature(), settings.topK(),
                        settings.topP());
                assertTrue(p[drawn.ids()[i]] > 0, settings + " drew id " + drawn.ids()[i] + ", of probability 0");
            }
            assertTrue(Arrays.stream(drawn.ids()).distinct().count() > m / 4,
                    settings + " draws too few distinct ids");
        }
    }

    /** A row with a NaN or +inf, or with only −inf, has no distribution. Other rows are not affected. */
    @ParameterizedTest(name = "on {0}")
    @MethodSource("targets")
    void rowsWithoutADistributionGiveNoId(TestTarget target) {
        int v = 131;
        float[] values = new float[4 * v];
        values[3] = 1;
        values[v + 130] = Float.NaN;
        values[2 * v + 7] = Float.POSITIVE_INFINITY;
        Arrays.fill(values, 3 * v, 4 * v, Float.NEGATIVE_INFINITY);
        for (float temperature : new float[] {0, 1}) {
            try (ParityCheck lab = target.open()) {
                Tensor ids = lab.output(DType.I32, 4);
                Tensor logProbabilities = lab.output(DType.F32, 4);
                lab.ops().sample(ids, logProbabilities, lab.data(DType.F32, values, 4, v).tensor(),
                        rows(lab, 4, new Settings(temperature, 1, 1), Key.POSITION));
                assertArrayEquals(new int[] {3, -1, -1, -1}, Inspect.ints(lab.context(), ids));
                float[] p = lab.floats(logProbabilities);
                assertTrue(p[0] < 0 && Float.isNaN(p[1]) && Float.isNaN(p[2]) && Float.isNaN(p[3]), Arrays.toString(p));
            }
        }
    }

    static List<TestTarget> targets() {
        return TestTarget.available();
    }

    private static void checkLogProbabilities(Drawn drawn, float[] logSoftmax, int v, double magnitude) {
        float[] expected = new float[drawn.ids().length];
        for (int i = 0; i < expected.length; i++) {
            expected[i] = logSoftmax[i * v + drawn.ids()[i]];
        }
        Floats.assertNear("log-probabilities of V " + v, expected, drawn.logProbabilities(),
                ParityTolerance.of(DType.F32, v).magnitude(4 * magnitude));
    }

    private static Drawn draw(ParityCheck lab, ParityCheck.Data logits, Settings settings, Key key) {
        int m = Math.toIntExact(logits.tensor().size(0));
        Tensor ids = lab.output(DType.I32, m);
        Tensor logProbabilities = lab.output(DType.F32, m);
        lab.ops().sample(ids, logProbabilities, logits.tensor(), rows(lab, m, settings, key));
        int[] drawn = Inspect.ints(lab.context(), ids);
        for (int id : drawn) {
            assertTrue(id >= 0 && id < logits.tensor().size(1), "id " + id);
        }
        return new Drawn(drawn, lab.floats(logProbabilities));
    }

    private static SampleRows rows(ParityCheck lab, int m, Settings settings, Key key) {
        float[] temperature = new float[m];
        Arrays.fill(temperature, settings.temperature());
        float[] topP = new float[m];
        Arrays.fill(topP, settings.topP());
        return new SampleRows(lab.data(DType.F32, temperature, m).tensor(),
                lab.ints(IntStream.generate(settings::topK).limit(m).toArray()), lab.data(DType.F32, topP, m).tensor(),
                lab.longs(IntStream.range(0, m).mapToLong(i -> key == Key.SEED ? i : 77L << 32).toArray()),
                lab.ints(IntStream.range(0, m).map(i -> key == Key.SEQUENCE ? i : 3).toArray()),
                lab.ints(IntStream.range(0, m).map(i -> key == Key.POSITION ? i : 11).toArray()));
    }

    /**
     * Log-softmax (m, v). Only the value at the largest logit of each row is computed by libtorch, so that the record
     * is small.
     */
    private static float[] logSoftmax(ParityCheck lab, float[] logits, int m, int v) {
        float[] best = lab.reference(torch -> Torch.floats(
                torch.array(logits, m, v).logSoftmax(-1).max(new int[] {-1})));
        float[] logSoftmax = new float[m * v];
        for (int i = 0; i < m; i++) {
            double largest = Double.NEGATIVE_INFINITY;
            for (int j = 0; j < v; j++) {
                largest = Math.max(largest, logits[i * v + j]);
            }
            for (int j = 0; j < v; j++) {
                logSoftmax[i * v + j] = (float) (logits[i * v + j] - largest + best[i]);
            }
        }
        return logSoftmax;
    }
}
