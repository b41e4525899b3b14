package org.ingrain.lab;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.ingrain.files.Digest;
import org.ingrain.files.DurableFile;
import org.ingrain.files.JsonLines;
import org.ingrain.template.Message;

/** What the lab model is trained on: rows of {@link Skill}s, drawn by their shares. */
record Corpus(Lexicon lexicon, Course course, long seed) {
    /**
     * A line of the corpus.
     *
     * @param prompt     what is asked, before the chat template
     * @param completion what is to be said
     */
    record Row(List<Message> prompt, String completion, @JsonIgnore Skill skill) {
    }

    /** The rows, in their order: the n-th is the same however many follow. */
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
