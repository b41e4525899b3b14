package org.ingrain.lab;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.ingrain.files.Digest;
import org.ingrain.files.DurableFile;
import org.ingrain.files.JsonLines;
import org.ingrain.template.Message;

/**
 * The training data of a lab model. Each row trains one randomly drawn {@link Skill}; the probability of a skill is
 * {@link Skill#share()}.
 */
record Corpus(Lexicon lexicon, Course course, long seed) {
    /**
     * A line of the corpus.
     *
     * @param prompt     the prompt before the chat template is applied
     * @param completion the completion to train on
     */
    record Row(List<Message> prompt, String completion, @JsonIgnore Skill skill) {
    }

    /** Returns the row with the given number; the first row is 0. A row does not depend on the size of the corpus. */
    Row row(int number) {
        Random random = new Random(Digest.seed(seed, "corpus", String.valueOf(number)));
        double at = random.nextDouble();
        for (Skill skill : course.skills()) {
            at -= skill.share();
            if (at < 0) {
                return skill.row(lexicon, random);
            }
        }
        return course.skills().getLast().row(lexicon, random);
    }

    void write(Path file, int rows) {
        DurableFile.write(file, out -> {
            for (int i = 0; i < rows; i++) {
                JsonLines.write(out, row(i));
            }
        });
    }
}
