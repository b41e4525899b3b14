package org.ingrain.lab;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * Words for lab questions. Some words come from the project's own list of names; the others are generated from
 * syllables. Each word is in only one of the four parts. All words are in the public domain (CC0 1.0).
 *
 * @param train words of the training data ({@link Corpus}), for all kinds of rows
 * @param pool  words of the pool questions; they are in the corpus, but not in a row that answers a question about
 *              several words or people directly
 * @param dev   words of the development questions, which decide when the training ends; these words are not in the
 *              corpus
 * @param test  words of the held-out questions; they are used for nothing else
 */
public record Lexicon(List<String> train, List<String> pool, List<String> dev, List<String> test) {
    /** Seed of the lexicon of models/lab. */
    public static final long SEED = 1;
    private static final int POOL = 1000;
    private static final int DEV = 300;
    private static final int TEST = 400;
    private static final int MADE_UP = 6000;
    /**
     * Maximum number of words with the same last letter. The limit ensures that a model that always answers the same
     * letter is rarely right.
     */
    private static final int MOST_OF_A_LETTER = 320;
    private static final int SHORTEST = 3;
    private static final int LONGEST = 9;
    private static final String[] ONSETS = {"b", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k",
            "l", "m", "n", "p",
        "ph", "qu", "r", "s", "sh", "st", "t", "th", "tr", "v", "w", "y", "z", ""};
    private static final String[] VOWELS = {"a", "e", "i", "o", "u", "ai", "ea", "ie", "oo", "y"};
    private static final String[] CODAS = {"", "", "", "b", "c", "ck", "d", "f", "g", "h", "k", "l", "ll", "m", "n",
            "nd", "p", "r", "rt", "s",
        "st", "t", "th", "v", "w", "x", "z", "j", "q"};

    /** Generates the lexicon that a seed determines. */
    public static Lexicon of(long seed) {
        Random random = new Random(seed);
        Set<String> taken = new HashSet<>();
        LabTokenizer.pieces().forEach(piece -> taken.add(piece.strip().toLowerCase(Locale.ROOT)));
        Set<String> words = new LinkedHashSet<>(ownNames());
        while (words.size() < MADE_UP) {
            String word = madeUp(random);
            if (word.length() >= SHORTEST && word.length() <= LONGEST) {
                words.add(word);
            }
        }
        // Words of the templates are removed, because they are single tokens, and words of the lexicon must be encoded
        // byte by byte.
        words.removeIf(word -> taken.contains(word.toLowerCase(Locale.ROOT)));
        List<String> shuffled = new ArrayList<>(words);
        Collections.shuffle(shuffled, random);
        Map<Character, Integer> endings = new HashMap<>();
        shuffled.removeIf(word -> endings.merge(word.charAt(word.length() - 1), 1, Integer::sum) > MOST_OF_A_LETTER);
        int test = TEST;
        int dev = test + DEV;
        int pool = dev + POOL;
        return new Lexicon(List.copyOf(shuffled.subList(pool, shuffled.size())),
                List.copyOf(shuffled.subList(dev, pool)), List.copyOf(shuffled.subList(test, dev)),
                List.copyOf(shuffled.subList(0, test)));
    }

    private static String madeUp(Random random) {
        StringBuilder word = new StringBuilder();
        int syllables = 1 + random.nextInt(3);
        for (int i = 0; i < syllables; i++) {
            word.append(ONSETS[random.nextInt(ONSETS.length)]).append(VOWELS[random.nextInt(VOWELS.length)]);
            if (i == syllables - 1 || random.nextInt(3) == 0) {
                word.append(CODAS[random.nextInt(CODAS.length)]);
            }
        }
        return Character.toUpperCase(word.charAt(0)) + word.substring(1);
    }

    private static List<String> ownNames() {
        try (InputStream in = Lexicon.class.getResourceAsStream("/org/ingrain/distill/names.txt")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().map(String::strip)
                    .filter(name -> name.matches("[A-Z][a-z]{" + (SHORTEST - 1) + "," + (LONGEST - 1) + "}")).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
