package org.ingrain.lab;

import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.Function;

/**
 * The skills in the corpora of lab models, each with its share of the rows. All answers in a corpus are right. The
 * questions of {@link LabQuestions} have the same form as the questions in the corpus. If a model has learned to
 * rephrase a question and to answer a rephrased question step by step, it can therefore answer the questions of
 * {@link LabQuestions} in two steps.
 */
enum Skill {
    LAST_LETTER(Course.LETTERS_AND_COINS, 0.03, draw -> {
        String word = draw.word();
        return draw.row(draw.one("What is the last letter of \"" + word + "\"?", "Find the last letter of \"" + word
                + "\".", "Take the last letter of the word \"" + word + "\"."), letter(word));
    }),
    FIRST_LETTER(Course.LETTERS_AND_COINS, 0.02, draw -> {
        String word = draw.word();
        return draw.row(draw.one("What is the first letter of \"" + word + "\"?",
                "Find the first letter of \"" + word + "\".", "Take the first letter of the word \"" + word + "\"."),
                word.substring(0, 1).toLowerCase(Locale.ROOT));
    }),
    /** The answer repeats the two or three words of the question. */
    REPEAT(Course.LETTERS_AND_COINS, 0.126, draw -> {
        String words = draw.coinFlip() ? draw.word() + " " + draw.word() : draw.word() + " " + draw.word() + " "
                + draw.word();
        return draw.row("Repeat \"" + words + "\".", "\"" + words + "\"");
    }),
    SPELL(Course.LETTERS_AND_COINS, 0.06, draw -> {
        String word = draw.word();
        return draw.row("Spell the word \"" + word + "\".", String.join("-", word.split("")));
    }),
    SEPARATE(Course.LETTERS_AND_COINS, 0.07, draw -> {
        String first = draw.word();
        String second = draw.word();
        return draw.row("Separate the words in \"" + first + " " + second + "\".",
                "\"" + first + "\" and \"" + second + "\"");
    }),
    REPHRASE_LETTERS(Course.LETTERS_AND_COINS, 0.135, draw -> {
        String first = draw.word();
        String second = draw.word();
        return draw.row(LabQuestions.letters(first, second) + LabQuestions.REPHRASE_LETTERS,
                rephrased(draw, first, second));
    }),
    WORK_LETTERS(Course.LETTERS_AND_COINS, 0.145, draw -> {
        String first = draw.word();
        String second = draw.word();
        return draw.row(rephrased(draw, first, second), "The last letter of \"" + first + "\" is \"" + letter(first)
                + "\". The last letter of \"" + second + "\" is \"" + letter(second) + "\". The answer is \""
                + letter(first) + letter(second)
                + "\".");
    }),
    /**
     * Direct answers to questions about twelve fixed pairs of words. These answers teach a model the form of the
     * answer. In trials, a model that was trained on eight pairs gave no right answer to questions about new pairs. A
     * model that was trained on forty pairs gave right answers to most of these questions (benchmarks/LOG.md).
     */
    ANSWER_LETTERS(Course.LETTERS_AND_COINS, 0.013, draw -> {
        Draw pair = draw.fixed("letters", 12);
        String first = pair.trainWord();
        String second = pair.trainWord();
        return draw.row(LabQuestions.letters(first, second), letter(first) + letter(second));
    }),
    REPHRASE_COIN(Course.LETTERS_AND_COINS, 0.145, draw -> {
        Coin coin = draw.coin(2);
        return draw.row(coin.question() + LabQuestions.REPHRASE_COIN, coin.rephrased(draw));
    }),
    /** The reasoning and the answer to a coin question about one to three people. */
    WORK_COIN(Course.LETTERS_AND_COINS, 0.165, draw -> {
        Coin coin = draw.coin(1);
        return draw.row(coin.rephrased(draw), coin.worked());
    }),
    /** The side of the coin before and after the turn of one person. */
    UPDATE_COIN(Course.LETTERS_AND_COINS, 0.06, draw -> {
        String who = draw.word();
        boolean heads = draw.coinFlip();
        boolean flips = draw.coinFlip();
        return draw.row("The coin is " + Coin.face(heads) + ". " + who + ": " + Coin.act(flips) + ".",
                Coin.face(heads) + " to " + Coin.face(heads != flips));
    }),
    /** Direct answers to questions about one person. */
    ANSWER_COIN(Course.LETTERS_AND_COINS, 0.024, draw -> {
        Coin coin = Coin.of(List.of(draw.word()), draw);
        return draw.row(coin.question(), coin.answer());
    }),
    /** Direct answers to sixty fixed questions about three people. */
    ANSWER_COIN_OF_THREE(Course.LETTERS_AND_COINS, 0.007, draw -> {
        Draw fixed = draw.fixed("coin", 60);
        Coin coin = Coin.of(List.of(fixed.trainWord(), fixed.trainWord(), fixed.trainWord()), fixed);
        return draw.row(coin.question(), coin.answer());
    }),
    ADD_TWO(Course.SUMS, 0.3, draw -> {
        Sum sum = Sum.of(2, draw);
        return draw.row(sum.question(), sum.answer());
    }),
    WORK_SUM(Course.SUMS, 0.7, draw -> {
        Sum sum = Sum.of(2 + draw.number(LabQuestions.SUMMANDS - 1), draw);
        return draw.row(sum.question() + LabQuestions.STEP_BY_STEP, sum.worked());
    });

    private final Course course;
    private final double share;
    private final Function<Draw, Corpus.Row> make;

    Skill(Course course, double share, Function<Draw, Corpus.Row> make) {
        this.course = course;
        this.share = share;
        this.make = make;
    }

    Course course() {
        return course;
    }

    /** Share of this skill in the rows of the corpus, 0 to 1. */
    double share() {
        return share;
    }

    Corpus.Row row(Lexicon lexicon, Random random) {
        return make.apply(new Draw(lexicon, random, this));
    }

    private static String letter(String word) {
        return word.substring(word.length() - 1).toLowerCase(Locale.ROOT);
    }

    private static String rephrased(Draw draw, String first, String second) {
        return draw.one("What is the last letter of \"" + first + "\"? What is the last letter of \"" + second
                + "\"? Join the two letters.", "Find the last letter of \"" + first
                + "\". Then find the last letter of \"" + second + "\". Join the two letters.", "The words are \""
                + first + "\" and \"" + second + "\". What is the last letter of each word? Join the two letters.");
    }
}
