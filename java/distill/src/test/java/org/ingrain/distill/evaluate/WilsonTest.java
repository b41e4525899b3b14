package org.ingrain.distill.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The expected intervals are from Newcombe 1998 (Statistics in Medicine 17), table I, method 3. The last interval is
 * the mirror image of the interval for 0 of 20.
 */
class WilsonTest {
    @ParameterizedTest
    @CsvSource({"81, 263, 0.2553, 0.3662", "15, 148, 0.0624, 0.1605", "0, 20, 0.0000, 0.1611", "1, 29, 0.0061, 0.1718",
            "20, 20, 0.8389, 1.0000"})
    void publishedIntervals(int right, int n, double low, double high) {
        Wilson interval = Wilson.of(right, n);
        assertEquals(low, interval.low(), 5e-5);
        assertEquals(high, interval.high(), 5e-5);
    }
}
