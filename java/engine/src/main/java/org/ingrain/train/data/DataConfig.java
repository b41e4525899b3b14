package org.ingrain.train.data;

import java.nio.file.Path;
import org.ingrain.tensor.Require;

/**
 * The files of the training data, and the settings for reading and encoding them.
 *
 * @param data               file with the training rows; {@link ExampleReader} describes the formats
 * @param validationData     file of validation rows, in the same formats as {@code data}; null for none
 * @param validationFraction fraction of the rows of {@code data} that are used for validation instead of training. It
 *                           must be 0 if {@code validationData} is not null
 * @param maxLength          maximum length of a row in tokens, at least 2
 * @param truncate           whether longer rows are cut at the end; if false, a longer row causes an InputException
 * @param packing            whether to pack several rows into bins of {@code maxLength} tokens; attention does not
 *                           cross rows
 */
public record DataConfig(Path data, Path validationData, double validationFraction, int maxLength, boolean truncate,
        boolean packing) {
    public DataConfig {
        Require.that(data != null, "data", "missing", "a JSONL file");
        Require.that(validationFraction >= 0 && validationFraction < 1, "validationFraction", validationFraction,
                "0 or more and less than 1");
        Require.that(validationData == null || validationFraction == 0, "validationFraction", validationFraction,
                "0, because validationData is set");
        Require.atLeast(2, "maxLength", maxLength);
    }

    /**
     * Creates a configuration with a training file and an optional validation file (null for none), without packing.
     */
    public static DataConfig of(Path data, Path validationData, int maxLength) {
        return new DataConfig(data, validationData, 0, maxLength, false, false);
    }
}
