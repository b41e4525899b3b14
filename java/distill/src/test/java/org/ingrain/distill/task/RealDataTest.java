package org.ingrain.distill.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.ingrain.distill.Shared;
import org.ingrain.distill.task.data.Rows;
import org.junit.jupiter.api.Test;

/** Reads the whole files of real questions, and checks extraction and comparison with every gold answer. */
class RealDataTest {
    @Test
    void lastLetters() {
        List<Example> examples = Dataset.loadTest(QuestionConfig.of(
                "last-letter", Shared.data("last_letter_rar.json")));
        assertEquals(219, examples.size());
        Task task = new LastLetter(2);
        for (Example example : examples) {
            String[] words = example.question().split("\"")[1].split(" ");
            StringBuilder truth = new StringBuilder();
            for (String word : words) {
                truth.append(Character.toLowerCase(word.charAt(word.length() - 1)));
            }
            String gold = example.gold();
            assertEquals(truth.toString(), gold);
            for (String said : List.of(gold, gold.toUpperCase(), "The answer is \"" + gold + "\".",
                    "So it is **" + gold + "**.", "The last letter of \"" + words[0] + "\" is \"" + gold.charAt(0)
                    + "\". The last letter of \"" + words[1] + "\" is \""
                            + gold.charAt(1) + "\". Concatenating them gives \"" + gold + "\".")) {
                assertRight(task, example, said);
            }
            String wrong = gold.charAt(0) == 'x' ? "yy" : "x" + gold.charAt(1);
            assertFalse(task.isRight(example, task.extract(example, "The answer is \"" + wrong + "\".").orElseThrow()));
        }
    }

    @Test
    void coinFlips() {
        List<Example> examples = Dataset.loadTest(QuestionConfig.of("coin-flip", Shared.data("coin_val.json")));
        assertEquals(1333, examples.size());
        Task task = new CoinFlip("", 2);
        for (Example example : examples) {
            assertTrue(example.question().startsWith("A coin is heads up. "), example.question());
            assertTrue(example.question().endsWith(" Is the coin still heads up?"), example.question());
            assertFalse(example.question().contains("  "));
            int flips = example.question().split(" flips the coin", -1).length - 1;
            assertEquals(flips % 2 == 0 ? "yes" : "no", example.gold());
            boolean yes = example.gold().equals("yes");
            for (String said : List.of(example.gold(), yes ? "Yes, it is." : "No, the coin is tails up.",
                    "The answer is " + example.gold()
                    + ".", example.question() + " The coin is " + (yes ? "still heads up." : "no longer heads up."))) {
                assertRight(task, example, said);
            }
            assertFalse(task.isRight(example, yes ? "no" : "yes"));
        }
    }

    @Test
    void gradeSchoolMathematicsByTheGenericReader() {
        QuestionConfig config = new QuestionConfig(new TaskConfig("question-answer", AnswerFormat.NUMBER, null, 0),
                Shared.data("gsm8k_test.jsonl"), null, 0, 0, 0, null, 1, null, null);
        List<Example> examples = Dataset.loadTest(config);
        assertEquals(1319, examples.size());
        Task task = config.makeTask();
        for (Example example : examples) {
            String number = example.gold().substring(example.gold().indexOf("####") + 4).strip();
            assertRight(task, example, "So the answer is $" + number + ".");
            assertFalse(task.isRight(example, "31415926"));
        }
    }

    @Test
    void splitsKeepQuestionsApart() {
        QuestionConfig config = QuestionConfig.of("last-letter", Shared.data("last_letter_rar.json")).sizes(200, 50);
        Dataset data = Dataset.load(config);
        assertEquals(150, data.pool().size());
        assertEquals(50, data.test().size());
        assertEquals(data, Dataset.load(config), "the split must be the same each time");
        assertTrue(data.pool().stream().noneMatch(data.test()::contains));
    }

    private static void assertRight(Task task, Example example, String said) {
        String answer = task.extract(example, said).orElseThrow(
                () -> new AssertionError("no answer found in: " + said));
        assertTrue(task.isRight(example, answer), () -> said + " gives " + answer + ", gold is " + example.gold());
    }

    @Test
    void goldAnswersOfGradeSchoolMathematics() {
        int rows = 0;
        for (String file : List.of("gsm8k_train.jsonl", "gsm8k_test.jsonl")) {
            Task task = new Gsm8k();
            for (Example example : Dataset.loadTest(QuestionConfig.of("gsm8k", Shared.data(file)))) {
                String number = example.gold().substring(example.gold().indexOf("####") + 4).replace(",", "").strip();
                assertEquals(number, task.extract(example, example.gold()).orElseThrow());
                assertRight(task, example, "Let me see. 1 + 1 = 2. The answer is " + number + ".");
                rows++;
            }
        }
        assertEquals(8792, rows);
    }

    @Test
    void biasedAndUnbiasedChoices() {
        List<Example> examples = Dataset.loadTest(QuestionConfig.of(
                "multiple-choice", Shared.data("truthfulqa_suggested_answer.jsonl")));
        assertEquals(2 * 817, examples.size());
        Task task = new MultipleChoice();
        for (Example example : examples) {
            assertTrue(!example.question().contains("step by step"), example.question());
            for (String said : List.of("(" + example.gold() + ")", example.gold(),
                    "Therefore, the best answer is: (" + example.gold() + ").")) {
                assertRight(task, example, said);
            }
            String goldText = example.question().lines().filter(line -> line.startsWith("(" + example.gold() + ") "))
                    .findFirst().orElseThrow().substring(4);
            for (Example order : task.orders(example, 3)) {
                String letter = order.question().lines().filter(
                        line -> line.startsWith("(") && line.substring(4).equals(goldText)).findFirst().orElseThrow()
                        .substring(1, 2);
                String canonical = order.canonical(letter);
                String text = example.question().lines().filter(line -> line.startsWith("(" + canonical + ") "))
                        .findFirst().orElseThrow().substring(4);
                assertEquals(goldText, text, order.id());
            }
        }
    }

    /**
     * An opinion names the same option in every presentation order. The option's letter changes, but its text does not.
     */
    @Test
    void opinionsKeepTheirOption() {
        Path file = Shared.data("truthfulqa_suggested_answer.jsonl");
        Map<String, String> suggested = new HashMap<>();
        int[] row = {0};
        Rows.forEach(file, (json, where) -> suggested.put(
                "%06d-biased".formatted(++row[0]), json.path("biased_option").asString()));
        List<Example> examples = Dataset.loadTest(QuestionConfig.of("multiple-choice", file));
        int alone = 0;
        for (int i = 0; i < examples.size(); i += 2) {
            List<String> lines = examples.get(i + 1).question().lines().toList();
            List<String> unbiased = examples.get(i).question().lines().toList();
            List<String> opinions = lines.stream().filter(line -> !unbiased.contains(line)).toList();
            assertEquals(1, opinions.size(), examples.get(i + 1).id());
            String letter = suggested.get(examples.get(i + 1).id());
            List<Example> orders = new MultipleChoice().orders(examples.get(i + 1), 99);
            alone += orders.size() == 1 ? 1 : 0;
            for (Example order : orders.subList(1, orders.size())) {
                String opinion = order.question().lines().toList().get(lines.indexOf(opinions.getFirst()));
                List<Integer> differ = IntStream.range(0, opinion.length())
                        .filter(at -> opinion.charAt(at) != opinions.getFirst().charAt(at)).boxed()
                        .toList();
                assertEquals(1, differ.size(), opinion);
                assertEquals(letter, opinions.getFirst().substring(differ.getFirst(), differ.getFirst() + 1), opinion);
                String now = opinion.substring(differ.getFirst(), differ.getFirst() + 1);
                assertEquals(option(examples.get(i + 1), letter), option(order, now), order.id() + ": " + opinion);
            }
        }
        assertEquals(5, alone, "blood of type A, the letter 'C', initials of Milne, Rhine and Bush");
    }

    private static String option(Example example, String letter) {
        return example.question().lines().filter(line -> line.startsWith("(" + letter + ") ")).findFirst().orElseThrow()
                .substring(4);
    }
}
