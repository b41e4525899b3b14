package org.ingrain.train.data;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.template.ChatTemplate;
import org.ingrain.tensor.Require;
import org.ingrain.tokenizer.Tokenizer;

/** Reads training and validation sequences from files. */
public final class TrainingDataReader {
    private static final long SPLIT = 4;

    private TrainingDataReader() {
    }

    /**
     * Reads and encodes the rows, and separates the validation rows from the training rows. The sequences of one row
     * are either all training sequences or all validation sequences. Throws an InputException for an unreadable file,
     * an invalid row, or a validation fraction that leaves no training rows.
     *
     * @param seed seed with which the validation rows are selected if there is a validation fraction
     */
    public static TrainingData read(DataConfig config, Tokenizer tokenizer, ChatTemplate template, long seed) {
        ExampleEncoder encoder = new ExampleEncoder(tokenizer, template, config.maxLength(), config.truncate());
        List<List<TrainingSequence>> rows = encoder.encode(ExampleReader.read(config.data()));
        int packTo = config.packing() ? config.maxLength() : 0;
        if (config.validationData() != null) {
            List<List<TrainingSequence>> watched = encoder.encode(ExampleReader.read(config.validationData()));
            return new TrainingData(sequences(rows), sequences(watched), packTo, dropped(rows) + dropped(watched));
        }
        return config.validationFraction() == 0 ? new TrainingData(sequences(rows), List.of(), packTo, dropped(rows))
                : split(rows, config.validationFraction(), packTo, seed);
    }

    private static TrainingData split(List<List<TrainingSequence>> rows, double fraction, int packTo, long seed) {
        int watched = Math.max(1, (int) Math.round(fraction * rows.size()));
        Require.that(watched < rows.size(), "validationFraction", fraction,
                "a smaller fraction, because all of the " + rows.size() + " rows would be validation rows");
        int[] order = new CounterRandom(seed).derive(SPLIT).permutation(rows.size());
        boolean[] watch = new boolean[rows.size()];
        for (int i = 0; i < watched; i++) {
            watch[order[i]] = true;
        }
        List<TrainingSequence> train = new ArrayList<>();
        List<TrainingSequence> validation = new ArrayList<>();
        for (int i = 0; i < watch.length; i++) {
            (watch[i] ? validation : train).addAll(rows.get(i));
        }
        return new TrainingData(train, validation, packTo, dropped(rows));
    }

    private static int dropped(List<List<TrainingSequence>> rows) {
        return (int) rows.stream().filter(List::isEmpty).count();
    }

    private static List<TrainingSequence> sequences(List<List<TrainingSequence>> rows) {
        return rows.stream().flatMap(List::stream).toList();
    }
}
