package org.ingrain.ops;

import java.util.List;
import java.util.stream.Collectors;

/** The list of all parity tests. */
public final class ParityTests {
    private ParityTests() {
    }

    static List<ParityTest> all() {
        return List.of(new AdamwParityTest(), new AddBiasParityTest(), new AttentionParityTest(),
                new AttentionPagedParityTest(), new BiasLogitsParityTest(), new QkNormParityTest(),
                new CollectivesTest(), new ConvertParityTest(), new CrossEntropyParityTest(), new EmbeddingParityTest(),
                new GatherRowsParityTest(), new KvCacheParityTest(), new LoraParityTest(), new MatmulParityTest(),
                new MatmulQuantizedParityTest(), new MatmulSiluMulParityTest(), new NormMatmulParityTest(),
                new PackParityTest(), new PackQuantizedParityTest(), new RandomParityTest(), new RmsNormParityTest(),
                new RopeCacheParityTest(), new RopeParityTest(), new SampleParityTest(), new SelectIdsParityTest(),
                new SiluMulParityTest(), new TopTokensParityTest());
    }

    /** Names (as in the header) of the ops that have at least one check. */
    public static java.util.Set<String> ops() {
        return all().stream().flatMap(test -> test.checks().stream()).map(Check::op).collect(Collectors.toSet());
    }
}
