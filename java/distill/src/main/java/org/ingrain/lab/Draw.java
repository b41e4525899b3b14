package org.ingrain.lab;

import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;
import org.ingrain.files.Digest;
import org.ingrain.template.Message;

/** Makes random words, numbers and coins for a row of the {@link Corpus} or for a question. */
record Draw(Lexicon lexicon, Random random, Skill skill) {
    /** A random word of the corpus. */
    String word() {
        int at = random.nextInt(lexicon.train().size() + lexicon.pool().size());
        return at < lexicon.train().size() ? lexicon.train().get(at) : lexicon.pool().get(at - lexicon.train().size());
    }

    /**
     * A random word of {@link Lexicon#train()}. Corpus rows that answer a question about several words or people
     * directly, without steps, contain only words of this list.
     */
    String trainWord() {
        return lexicon.train().get(random.nextInt(lexicon.train().size()));
    }

    boolean coinFlip() {
        return random.nextBoolean();
    }

    /** A random number from 0 (inclusive) to {@code bound} (exclusive). */
    int number(int bound) {
        return random.nextInt(bound);
    }

    String one(String... of) {
        return of[random.nextInt(of.length)];
    }

    /**
     * A coin with {@code fewest} to {@link LabQuestions#PEOPLE} random people, who flip it or not. For about a quarter
     * of the coins, all names are in lower case.
     */
    Coin coin(int fewest) {
        int people = fewest + random.nextInt(LabQuestions.PEOPLE - fewest + 1);
        boolean small = random.nextInt(4) == 0;
        return Coin.of(IntStream.range(0, people).mapToObj(i -> small ? word().toLowerCase(Locale.ROOT) : word())
                .toList(), this);
    }

    /**
     * Selects one of {@code count} fixed seeds at random and returns a generator with this seed. The seeds are the same
     * for all rows and all corpora.
     */
    Draw fixed(String name, int count) {
        return new Draw(lexicon, new Random(Digest.seed(Lexicon.SEED, name, String.valueOf(random.nextInt(count)))),
                skill);
    }

    Corpus.Row row(String prompt, String completion) {
        return new Corpus.Row(List.of(Message.user(prompt)), completion, skill);
    }
}
