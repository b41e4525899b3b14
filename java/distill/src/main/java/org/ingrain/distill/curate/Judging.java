package org.ingrain.distill.curate;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Pairwise;
import org.ingrain.distill.task.Task;
import org.ingrain.tensor.InputException;

/**
 * Lets the model itself compare its distinct answers to a question in pairs, for rule {@code judge} (best of n). A
 * method for the task {@link Pairwise} judges each pair twice, in both orders. A response wins a pair only if it is the
 * better one in both verdicts. Otherwise the pair is a draw. The answer that wins the most pairs is the label.
 *
 * @param config the settings of curation; they contain the judge
 * @param task   the task of the questions
 * @param method the method that generated the answers
 */
public record Judging(CurationConfig config, Task task, Method method) {
    /** Maximum number of distinct answers to a question that are compared. The most frequent answers are compared. */
    private static final int MOST_ANSWERS = 4;
    private static final Pairwise PAIRWISE = new Pairwise();
    private static final String DRAW = "C";

    /**
     * The verdict on a pair.
     *
     * @param better {@code A} or {@code B}, the response that is better in both orders; {@code C} for a draw
     * @param fits   false if a prompt was too long for the model's context
     */
    public record Judgement(String better, boolean fits) {
        private Judgement and(Judgement other) {
            return new Judgement(better.equals(other.better) ? better : DRAW, fits && other.fits);
        }
    }

    /** The best answer, or null and the reason why there is none. */
    record Result(Ballot.Answer best, Entry.Reason reason, String detail) {
    }

    /** Two answers, the more frequent one first. */
    private record Pair(Ballot.Answer a, Ballot.Answer b) {
        static List<Pair> of(List<Ballot.Answer> answers) {
            List<Pair> pairs = new ArrayList<>();
            for (int i = 0; i < answers.size(); i++) {
                for (Ballot.Answer later : answers.subList(i + 1, answers.size())) {
                    pairs.add(new Pair(answers.get(i), later));
                }
            }
            return pairs;
        }

        String id(Example example) {
            return example.id() + "/" + a.path() + "/" + b.path();
        }
    }

    /** Maximum number of judgements for one question that has this number of answers. */
    public static int most(int answers) {
        int compared = Math.min(answers, MOST_ANSWERS);
        return compared * (compared - 1);
    }

    /**
     * Sampling plan with one judgement for each presentation order of a pair.
     *
     * @throws InputException if the task is itself pairwise, or the judge cannot compare two responses
     */
    public Plan plan(SampleConfig sample, ModelState weights) {
        if (task.prompts().equals(PAIRWISE.name())) {
            throw InputException.field("majority", "judge with task " + task.name()
                    + ", whose answers are verdicts, expected another rule");
        }
        Method judge = config.judge();
        Plan plan = judge.plan(PAIRWISE, sample.once(), "judge", weights);
        String prompts = plan.steps().stream().map(Plan.PlannedStep::words).collect(Collectors.joining());
        if (!PAIRWISE.fields().stream().allMatch(field -> prompts.contains("{" + field + "}"))) {
            throw InputException.field("judge", judge.name() + ", expected a method whose prompts for task pairwise "
                    + "have {" + String.join("} and {", PAIRWISE.fields()) + "}");
        }
        return plan;
    }

    /** The questions to the judge: for each example, all pairs of the answers to compare, each pair in both orders. */
    public List<Example> questions(Path samples, List<Example> examples) {
        List<Example> questions = new ArrayList<>();
        Answers.forEach(samples, examples, (example, answers) -> {
            for (Pair pair : Pair.of(compared(distinct(Ballot.of(example, answers, task, method).answers())))) {
                questions.addAll(PAIRWISE.orders(Pairwise.pair(pair.id(example), example,
                        Target.RESPONSE.text(pair.a(), method), Target.RESPONSE.text(pair.b(), method)), 2));
            }
        });
        return questions;
    }

    /** Reads the judgements on these questions from a file of completions. The keys of the map are ids of pairs. */
    public Map<String, Judgement> read(Path file, List<Example> questions) {
        Map<String, Judgement> judged = new HashMap<>();
        Answers.forEach(file, questions, (question, answers) -> {
            String better = Ballot.of(question, answers, PAIRWISE, config.judge()).answers().stream()
                    .map(Ballot.Answer::answer).filter(Objects::nonNull).findFirst()
                    .map(verdict -> question.canonical(PAIRWISE.key(verdict))).orElse(DRAW);
            boolean fits = answers.samples().stream().noneMatch(text -> text.finish() == Finish.PROMPT_TOO_LONG);
            judged.merge(question.isAsGiven() ? question.id() : question.given(), new Judgement(better, fits),
                    Judgement::and);
        });
        return judged;
    }

    /** Finds the answer that wins the most pairs. Answers that the verifier rejected are not compared. */
    Result best(Example example, List<Ballot.Answer> answers, Map<String, Judgement> judged) {
        List<Ballot.Answer> distinct = distinct(answers);
        List<Ballot.Answer> left = compared(distinct).stream().filter(answer -> !answer.isRejected()).toList();
        if (distinct.isEmpty()) {
            return new Result(null, Entry.Reason.NO_ANSWER, "none of " + answers.size() + " samples has an answer");
        }
        if (left.isEmpty()) {
            return new Result(null, Entry.Reason.REJECTED, "all compared answers rejected by the verifier");
        }
        if (left.size() == 1) {
            return new Result(left.getFirst(), Entry.Reason.JUDGED, "the only distinct answer"
                    + (distinct.size() == 1 ? "" : " that was not rejected by the verifier"));
        }
        Map<Ballot.Answer, Integer> wins = new LinkedHashMap<>();
        left.forEach(answer -> wins.put(answer, 0));
        List<Pair> pairs = Pair.of(left);
        int tooLong = 0;
        for (Pair pair : pairs) {
            Judgement judgement = judged.getOrDefault(pair.id(example), new Judgement(DRAW, true));
            if (!judgement.better().equals(DRAW)) {
                wins.merge(judgement.better().equals("A") ? pair.a() : pair.b(), 1, Integer::sum);
            }
            tooLong += judgement.fits() ? 0 : 1;
        }
        int most = wins.values().stream().mapToInt(Integer::intValue).max().orElseThrow();
        List<Ballot.Answer> winners = left.stream().filter(answer -> wins.get(answer) == most).toList();
        String all = (left.size() == distinct.size() ? "" : left.size() + " of ") + distinct.size()
                + " distinct answers";
        String count = most + " of " + (left.size() - 1) + " pairs won";
        String rest = tooLong == 0 ? "" : ", " + tooLong + " of " + pairs.size() + " pairs too long to judge";
        return winners.size() == 1
                ? new Result(winners.getFirst(), Entry.Reason.JUDGED, "judged best of " + all + ": " + count + rest)
                : new Result(null, Entry.Reason.TIE, winners.size() + " judged equal of " + all + ": " + count
                        + " by each" + rest);
    }

    private static List<Ballot.Answer> compared(List<Ballot.Answer> distinct) {
        return distinct.subList(0, Math.min(distinct.size(), MOST_ANSWERS));
    }

    /**
     * The first answer of each group of equal answers, the largest group first. If the targets are bare answers, two
     * answers are equal if their keys are equal. If the targets are whole responses, two answers are equal if their
     * texts are equal. Samples without a training target are left out.
     */
    private List<Ballot.Answer> distinct(List<Ballot.Answer> answers) {
        Map<String, List<Ballot.Answer>> groups = new LinkedHashMap<>();
        for (Ballot.Answer answer : answers) {
            String text = config.target().text(answer, method);
            if (!text.isBlank()) {
                groups.computeIfAbsent(config.target() == Target.ANSWER ? task.key(text) : text,
                        key -> new ArrayList<>()).add(answer);
            }
        }
        return groups.values().stream().sorted(Comparator.<List<Ballot.Answer>>comparingInt(List::size).reversed())
                .map(List::getFirst).toList();
    }
}
