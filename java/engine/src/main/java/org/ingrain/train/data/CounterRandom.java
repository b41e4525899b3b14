package org.ingrain.train.data;

/**
 * A stateless random number generator. Random number i is a function of the seed and i (SplitMix64; Steele, Lea and
 * Flood 2014). A resumed run therefore draws the same numbers as an uninterrupted run.
 *
 * @param seed seed of the stream
 */
public record CounterRandom(long seed) {
    private static final long GOLDEN_GAMMA = 0x9e3779b97f4a7c15L;

    /** Derives a separate stream for a list of keys, such as step, micro-batch and layer. */
    public CounterRandom derive(long... keys) {
        long derived = seed;
        for (long key : keys) {
            derived = mix(derived + GOLDEN_GAMMA) ^ mix(key + GOLDEN_GAMMA);
        }
        return new CounterRandom(mix(derived + keys.length * GOLDEN_GAMMA));
    }

    /** Returns 64 random bits, which depend only on the seed and the counter. */
    public long bits(long counter) {
        return mix(seed + (counter + 1) * GOLDEN_GAMMA);
    }

    /** A uniform random multiple of 2⁻²⁴ in [0, 1). */
    public float uniform(long counter) {
        return (bits(counter) >>> 40) * 0x1p-24f;
    }

    /** A permutation of 0 to n - 1 that depends only on the seed. */
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
