package org.ingrain.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.ContextOptions;
import org.ingrain.ffi.Inspect;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.tensor.DType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A constructor requests as many bytes from an Allocator.Counter as it allocates from a context. */
class PlannedMemoryTest {
    private static final Step.Limits LIMITS = new Step.Limits(40, 5, 9, 4, 16, 1);

    private final Backend backend = Backend.open(NativeLibraries.find("cpu"));
    private final Context context = backend.context(new ContextOptions(0, 1, "auto"));

    @AfterEach
    void close() {
        context.close();
        backend.close();
    }

    private static Blueprint blueprint(boolean tied) {
        return new Blueprint(64, 96, 2, new AttentionConfig(16, 8, 8), 61, 128, 1e-5, RopeConfig.of(10000), tied,
                DType.F32);
    }

    private static void everything(Allocator memory, Weights weights) {
        new Decoder(memory, weights, LIMITS);
        new KvCache(memory, weights, 7, LIMITS.blockSize());
        new AdapterBank(memory, weights, 2, 4, LIMITS.tokens());
    }

    @ParameterizedTest
    @CsvSource({"false, 1, F32", "true, 1, BF16", "false, 2, F32", "true, 8, BF16"})
    void plannedBytesAreAllocated(boolean tied, int ranks, DType dtype) {
        Precision precision = new Precision(dtype, DType.F32, dtype);
        Rank rank = new Rank(ranks - 1, ranks);
        Allocator.Counter counter = new Allocator.Counter(context);
        Weights planned = new Weights(counter, blueprint(tied), precision, rank);
        everything(counter, planned);
        assertEquals(0, Inspect.allocatedBytes(context));
        everything(context, new Weights(context, blueprint(tied), precision, rank));
        assertEquals(counter.bytes() - context.workspaceBytes(), Inspect.allocatedBytes(context));
    }

    @Test
    void ranksShareMatricesAlone() {
        Precision precision = new Precision(DType.F32, DType.F32, DType.F32);
        long whole = bytes(precision, Rank.SINGLE);
        long shared = bytes(precision, new Rank(0, 8));
        ParameterTable table = blueprint(false).parameters();
        long everywhere = table.all().stream().filter(p -> p.shard() == Parameter.Shard.NONE)
                .mapToLong(Parameter::elements).sum();
        assertTrue(whole >= table.elements() * Float.BYTES, "packed rows have padding: " + whole);
        assertTrue(shared < whole / 2 && shared > everywhere * Float.BYTES, shared + " of " + whole);
    }

    private long bytes(Precision precision, Rank rank) {
        return Allocator.bytes(context, memory -> new Weights(memory, blueprint(false), precision, rank));
    }
}
