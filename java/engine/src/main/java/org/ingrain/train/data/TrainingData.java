package org.ingrain.train.data;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.ingrain.files.Digest;
import org.ingrain.model.Blueprint;
import org.ingrain.tensor.Require;

/**
 * Training and validation sequences.
 *
 * @param train      training sequences, at least one
 * @param validation validation sequences, may be empty
 * @param packTo     tokens per bin, or 0 for one sequence per bin
 * @param dropped    number of rows that are in neither list, because truncation removed all of their target tokens
 */
public record TrainingData(List<TrainingSequence> train, List<TrainingSequence> validation, int packTo, int dropped) {
    /** Creates data for which no row was dropped. */
    public TrainingData(List<TrainingSequence> train, List<TrainingSequence> validation, int packTo) {
        this(train, validation, packTo, 0);
    }

    public TrainingData {
        train = List.copyOf(train);
        validation = List.copyOf(validation);
        Require.that(!train.isEmpty(), "data", dropped == 0 ? "empty" : "empty after truncation dropped " + dropped
                + " rows without a target token", "at least one row to train on");
    }

    /** Throws an InputException if a sequence exceeds the model's context or has an id outside its vocabulary. */
    public void requireFits(Blueprint config) {
        for (List<TrainingSequence> part : List.of(train, validation)) {
            for (TrainingSequence sequence : part) {
                Require.that(sequence.length() <= config.maxContextLength(), "maxLength", "a row of "
                        + sequence.length() + " tokens",
                        "at most the model's " + config.contextLimit());
                int largest = Arrays.stream(sequence.ids()).max().orElse(0);
                Require.that(largest < config.vocabSize(), "data", "token id "
                        + largest, "less than the model's vocab_size " + config.vocabSize());
            }
        }
    }

    /**
     * SHA-256 of all tokens and targets, in hexadecimal. A run can be resumed only with data that has the same
     * fingerprint.
     */
    public String fingerprint() {
        MessageDigest digest = Digest.sha256();
        for (List<TrainingSequence> part : List.of(train, validation)) {
            update(digest, part.size());
            for (TrainingSequence sequence : part) {
                update(digest, sequence.length());
                for (int id : sequence.ids()) {
                    update(digest, id);
                }
                long[] targets = sequence.targets().toLongArray();
                update(digest, targets.length);
                for (long word : targets) {
                    update(digest, (int) word);
                    update(digest, (int) (word >>> 32));
                }
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static void update(MessageDigest digest, int value) {
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(0, value));
    }
}
