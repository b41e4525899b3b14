package org.ingrain.train.data;

import java.nio.file.Path;
import org.ingrain.tensor.Require;

/**
 * What a model is trained on.
 *
 * @param data               JSONL, see {@link ExampleReader}
 * @param validationData     the same, to watch; null for none
 * @param validationFraction share of data's rows to watch instead of training on them, where validationData is null; 0
 *                           for none
 * @param maxLength          the longest row in tokens
 * @param truncate           cut longer rows at their end; else they are refused
 * @param packing            fill bins of maxLength tokens with several rows each, which do not see one another
 */
public record DataConfig(Path data, Path validationData, double validationFraction, int maxLength, boolean truncate,
        boolean packing) {
    public DataConfig {
        Require.that(data != null, "data", "missing", "a JSONL file");
        Require.that(validationFraction >= 0 && validationFraction < 1, "validationFraction", validationFraction,
                "0 or more and less than 1");
        Require.that(validationData == null || validationFraction == 0, "validationFraction", validationFraction,
                "0 beside validationData");
        Require.atLeast(2, "maxLength", maxLength);
    }

    /** A file, and perhaps one to watch. */
    public static DataConfig of(Path data, Path validationData, int maxLength) {
        return new DataConfig(data, validationData, 0, maxLength, false, false);
    }
}
