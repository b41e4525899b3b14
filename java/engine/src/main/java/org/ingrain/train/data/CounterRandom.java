package org.ingrain.train.data;

/**
 * Random numbers without a state: number i of a seed is a function of the two alone (SplitMix64, Steele, Lea and Flood
 * 2014), so that a run that resumes draws what an uninterrupted one draws.
 *
 * @param seed of the stream
 */
public record CounterRandom(long seed) {
    private static final long GOLDEN_GAMMA = 0x9e3779b97f4a7c15L;

    /** A stream of its own for each list of numbers, such as step, micro-batch and layer. */
    public CounterRandom derive(long... keys) {
        long derived = seed;
        for (long key : keys) {
            derived = mix(derived + GOLDEN_GAMMA) ^ mix(key + GOLDEN_GAMMA);
        }
        return new CounterRandom(mix(derived + keys.length * GOLDEN_GAMMA));
    }

    /** 64 bits. */
    public long bits(long counter) {
        return mix(seed + (counter + 1) * GOLDEN_GAMMA);
    }

    /** A multiple of 2⁻²⁴ in [0, 1). */
    public float uniform(long counter) {
        return (bits(counter) >>> 40) * 0x1p-24f;
    }

    /** 0 to n - 1 in an order that depends on the seed alone. */
    int[] permutation(int n) {
        int[] order = new int[n];
        for (int i = 0; i < n; i++) {
            int other = (int) Long.remainderUnsigned(bits(i), i + 1);
            order[i] = order[other];
            order[other] = i;
        }
        return order;
    }

    private static long mix(long z) {
        z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
        z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
        return z ^ z >>> 31;
    }
}
