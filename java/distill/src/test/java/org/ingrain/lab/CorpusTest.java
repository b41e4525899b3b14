package org.ingrain.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.CoinFlip;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.LastLetter;
import org.ingrain.distill.task.Task;
import org.ingrain.sample.SamplingParams;
import org.junit.jupiter.api.Test;

/**
 * Tests that all answers in the corpus are right and that the corpus contains no held-out words. The tests share no
 * code with the classes that generate the corpus.
 */
class CorpusTest {
    private static final Pattern QUOTED = Pattern.compile("\"([A-Za-z]+)\"");
    private static final Pattern ACT = Pattern.compile(
            "([A-Za-z]+)(?: (flips|does not flip) the coin\\.|: (flip|no flip)\\.)");
    private static final Lexicon LEXICON = Lexicon.of(Lexicon.SEED);
    private static final List<Corpus.Row> ROWS = Arrays.stream(Course.values())
            .flatMap(course -> IntStream.range(0, 8000).mapToObj(new Corpus(LEXICON, course, 1)::row)).toList();

    private static String prompt(Corpus.Row row) {
        return row.prompt().getFirst().content();
    }

    private static List<Corpus.Row> of(Skill... skills) {
        List<Corpus.Row> rows = ROWS.stream().filter(row -> Arrays.asList(skills).contains(row.skill())).toList();
        assertTrue(rows.size() > 20, Arrays.toString(skills) + ": " + rows.size());
        return rows;
    }

    private static List<String> quoted(String text) {
        return QUOTED.matcher(text).results().map(found -> found.group(1)).toList();
    }

    private static String lastLetters(List<String> words) {
        return words.stream().map(word -> word.toLowerCase(Locale.ROOT)).map(word -> word.substring(word.length() - 1))
                .collect(Collectors.joining());
    }

    @Test
    void lettersAreRight() {
        for (Corpus.Row row : of(Skill.LAST_LETTER)) {
            assertEquals(lastLetters(quoted(prompt(row))), row.completion(), prompt(row));
        }
        for (Corpus.Row row : of(Skill.FIRST_LETTER)) {
            assertEquals(quoted(prompt(row)).getFirst().toLowerCase(Locale.ROOT).charAt(0), row.completion().charAt(0),
                    prompt(row));
            assertEquals(1, row.completion().length());
        }
        for (Corpus.Row row : of(Skill.SPELL)) {
            assertEquals(quoted(prompt(row)).getFirst(), row.completion().replace("-", ""), prompt(row));
        }
        for (Corpus.Row row : of(Skill.WORK_LETTERS)) {
            List<String> words = quoted(prompt(row));
            assertTrue(row.completion().endsWith("The answer is \"" + lastLetters(words) + "\"."), row.toString());
            assertEquals(words, quoted(row.completion()).stream().filter(words::contains).toList(), row.toString());
        }
        for (Corpus.Row row : of(Skill.ANSWER_LETTERS)) {
            String both = prompt(row).split("\"")[1];
            assertEquals(lastLetters(List.of(both.split(" "))), row.completion(), prompt(row));
        }
        for (Corpus.Row row : of(Skill.SEPARATE, Skill.REPHRASE_LETTERS)) {
            assertEquals(prompt(row).split("\"")[1], String.join(" ", quoted(row.completion())), row.toString());
        }
        for (Corpus.Row row : of(Skill.REPEAT)) {
            assertEquals(prompt(row).split("\"")[1], row.completion().replace("\"", ""), row.toString());
        }
    }

    /** Returns the people in a text, in order. An entry has a name, and whether this person flips the coin. */
    private static List<Map.Entry<String, Boolean>> acts(String text) {
        List<Map.Entry<String, Boolean>> acts = new ArrayList<>();
        Matcher found = ACT.matcher(text);
        while (found.find()) {
            acts.add(Map.entry(found.group(1), "flips".equals(found.group(2)) || "flip".equals(found.group(3))));
        }
        return acts;
    }

    private static boolean headsAfter(List<Map.Entry<String, Boolean>> acts) {
        return acts.stream().filter(Map.Entry::getValue).count() % 2 == 0;
    }

    @Test
    void coinsAreRight() {
        for (Corpus.Row row : of(Skill.REPHRASE_COIN)) {
            assertEquals(acts(prompt(row)), acts(row.completion()), row.toString());
            assertTrue(acts(prompt(row)).size() >= 2, row.toString());
        }
        for (Corpus.Row row : of(Skill.ANSWER_COIN, Skill.ANSWER_COIN_OF_THREE)) {
            assertEquals(headsAfter(acts(prompt(row))) ? "yes" : "no", row.completion(), prompt(row));
        }
        for (Corpus.Row row : of(Skill.WORK_COIN)) {
            boolean heads = true;
            StringBuilder expected = new StringBuilder();
            for (Map.Entry<String, Boolean> act : acts(prompt(row))) {
                expected.append(act.getKey()).append(act.getValue() ? ": flip, " : ": no flip, ")
                        .append(heads ? "heads to " : "tails to ");
                heads ^= act.getValue();
                expected.append(heads ? "heads. " : "tails. ");
            }
            assertEquals(expected + "The answer is " + (heads ? "yes." : "no."), row.completion(), prompt(row));
        }
        for (Corpus.Row row : of(Skill.UPDATE_COIN)) {
            boolean before = prompt(row).startsWith("The coin is heads.");
            boolean after = before == prompt(row).endsWith(": no flip.");
            assertEquals((before ? "heads" : "tails") + " to " + (after ? "heads" : "tails"), row.completion(),
                    prompt(row));
        }
    }

    @Test
    void sumsAreRight() {
        for (Corpus.Row row : of(Skill.ADD_TWO, Skill.WORK_SUM)) {
            int sum = Pattern.compile("\\d").matcher(prompt(row)).results()
                    .mapToInt(found -> Integer.parseInt(found.group())).sum();
            String last = row.completion().replaceAll("\\D+$", "");
            assertEquals(sum % 10, last.charAt(last.length() - 1) - '0', row.toString());
            Pattern.compile("(\\d) \\+ (\\d) ends in (\\d)").matcher(row.completion()).results().forEach(step ->
                    assertEquals((Integer.parseInt(step.group(1)) + Integer.parseInt(step.group(2))) % 10,
                            Integer.parseInt(step.group(3)), row.toString()));
        }
    }

    @Test
    void sharesAddUpAndEverySkillComes() {
        for (Course course : Course.values()) {
            assertEquals(1, course.skills().stream().mapToDouble(Skill::share).sum(), 1e-9);
        }
        assertEquals(Set.of(Skill.values()), ROWS.stream().map(Corpus.Row::skill).collect(Collectors.toSet()));
    }

    @Test
    void heldOutWordsAreNowhereAndPoolWordsInNoDirectAnswer() {
        Set<String> held = new HashSet<>();
        LEXICON.dev().forEach(word -> held.add(word.toLowerCase(Locale.ROOT)));
        LEXICON.test().forEach(word -> held.add(word.toLowerCase(Locale.ROOT)));
        Set<String> pool = LEXICON.pool().stream().map(word -> word.toLowerCase(Locale.ROOT))
                .collect(Collectors.toSet());
        for (Corpus.Row row : ROWS) {
            for (String word : (prompt(row) + " " + row.completion()).toLowerCase(Locale.ROOT).split("[^a-z]+")) {
                assertFalse(held.contains(word), row.toString());
                assertFalse((row.skill() == Skill.ANSWER_LETTERS || row.skill() == Skill.ANSWER_COIN_OF_THREE)
                        && pool.contains(word), row.toString());
            }
        }
        Set<String> all = new HashSet<>();
        for (List<String> part : List.of(LEXICON.train(), LEXICON.pool(), LEXICON.dev(), LEXICON.test())) {
            assertTrue(part.stream().allMatch(all::add), "a word must not be in two parts");
        }
        assertTrue(LEXICON.train().size() > 3000 && LEXICON.pool().size() >= 1000, LEXICON.train().size() + " words");
    }

    @Test
    void questionsAreTheShippedMethodsOwn() {
        assertPrompt(new LastLetter(2), "rar-2-step", LabQuestions.REPHRASE_LETTERS);
        assertPrompt(new CoinFlip("", 3), "rar-2-step", LabQuestions.REPHRASE_COIN);
        assertPrompt(new CoinFlip("", 3), "cot", LabQuestions.STEP_BY_STEP);
        for (LabQuestions.Kind kind : LabQuestions.Kind.values()) {
            List<LabQuestions.Question> questions = LabQuestions.questions(kind, LEXICON.test(), "test", 50);
            assertEquals(questions, LabQuestions.questions(kind, LEXICON.test(), "test", 50));
            for (LabQuestions.Question question : questions) {
                String expected = switch (kind) {
                    case LETTERS -> lastLetters(List.of(question.question().split("\"")[1].split(" ")));
                    case COIN -> headsAfter(acts(question.question())) ? "yes" : "no";
                    case SUMS -> String.valueOf(Pattern.compile("\\d").matcher(question.question()).results()
                            .mapToInt(found -> Integer.parseInt(found.group())).sum() % 10);
                };
                assertEquals(expected, question.answer(), question.question());
            }
        }
    }

    private static void assertPrompt(Task task, String method, String words) {
        Plan plan = Methods.load(method).plan(task, new SampleConfig(List.of(1), SamplingParams.greedy(8).withSeed(1)),
                "test", new ModelState.Base());
        Example example = new Example("1", "QUESTION", null, task.traits("QUESTION"), null, List.of());
        assertEquals("QUESTION" + words, plan.firstPrompt(example).getFirst().content());
    }
}
