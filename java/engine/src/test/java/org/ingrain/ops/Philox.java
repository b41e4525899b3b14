package org.ingrain.ops;

/** Philox4x32-10 (Salmon et al. 2011), implemented from the paper and tested against the known answers of Random123. */
final class Philox {
    private Philox() {
    }

    /** Four random words for a 64-bit key and a 128-bit counter, low words first. */
    static int[] words(long key, int... counter) {
        int[] c = counter.clone();
        int k0 = (int) key;
        int k1 = (int) (key >>> 32);
        for (int round = 0; round < 10; round++) {
            long product0 = Integer.toUnsignedLong(c[0]) * 0xD2511F53L;
            long product1 = Integer.toUnsignedLong(c[2]) * 0xCD9E8D57L;
            c = new int[] {(int) (product1 >>> 32) ^ c[1] ^ k0, (int) product1, (int) (product0 >>> 32) ^ c[3] ^ k1,
                    (int) product0};
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        return c;
    }

    /** A uniform number in (0, 1): (k + ½)·2⁻²³, where k is the upper 23 bits of the word. */
    static double uniform(int word) {
        return ((word >>> 9) + 0.5) * 0x1p-23;
    }
}
