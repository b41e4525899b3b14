package org.ingrain.distill.curate;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;
import org.ingrain.distill.verify.Verdict;
import org.ingrain.distill.verify.Verdicts;
import org.ingrain.tensor.Require;

/**
 * The answers of one example in one presentation order, and the votes for each answer.
 *
 * @param answers all final answers
 * @param votes   answers with their numbers of votes, in descending order of votes. Equal answers are counted together
 *                and have the wording of the first of them. Answers with the same number of votes are in the order in
 *                which they were first given
 */
public record Ballot(List<Answer> answers, List<Votes> votes) {
    /**
     * One final answer.
     *
     * @param path   path of the sample that gave the answer
     * @param answer the answer found in the text, or null. The letter of an option is its letter in this presentation
     * order; in the given order the option may have another letter
     * @param text   the text that contains the answer: the text of the last step or, if the method branches, the merged
     *               texts of the branches
     * @param tokens number of tokens of {@code text}; 0 for a merged text
     * @param steps  the intermediate steps; a step that several answers share is listed in each of them
     * @param accepted whether the verifier accepts the answer; null if it was not verified
     * @param score  score of the verifier; null if it gave none
     */
    public record Answer(String path, String answer, String text, int tokens, Finish finish, List<Intermediate> steps,
            Boolean accepted, Double score) {
        Answer(String path, String answer, String text, int tokens, Finish finish, List<Intermediate> steps) {
            this(path, answer, text, tokens, finish, steps, null, null);
        }

        public Answer {
            Require.present("path", path);
            Require.present("text", text);
            Require.present("finish", finish);
            Require.present("steps", steps);
        }

        /** Whether the verifier rejected the answer. */
        boolean isRejected() {
            return Boolean.FALSE.equals(accepted);
        }

        private Answer verified(Verdict verdict) {
            return new Answer(path, answer, text, tokens, finish, steps, verdict.accepted(), verdict.score());
        }
    }

    /** The text of an intermediate step. */
    public record Intermediate(String step, String text, int tokens, Finish finish) {
        public Intermediate {
            Require.present("step", step);
            Require.present("text", text);
            Require.present("finish", finish);
        }
    }

    /** An answer and the number of samples that gave it. */
    public record Votes(String answer, int votes) {
        public Votes {
            Require.present("answer", answer);
        }
    }

    /** Whether there is no answer because the prompt is too long for the model's context. */
    public static boolean unasked(List<Answer> answers) {
        return !answers.isEmpty() && answers.stream().allMatch(answer -> answer.finish() == Finish.PROMPT_TOO_LONG);
    }

    public static Ballot of(Example example, Answers samples, Task task, Method method) {
        List<Answer> answers = new ArrayList<>();
        for (Answers.Chain chain : samples.chains(method.depth())) {
            answers.add(answer(example, chain, task, method));
        }
        return new Ballot(answers, votes(example, answers, task));
    }

    /** A copy of this ballot with the verdicts of a verifier. A rejected answer has no vote. */
    Ballot verified(Example example, Task task, Verdicts verdicts) {
        List<Answer> verified = answers.stream().map(answer -> verdicts.of(example.id(), answer.path())
                .map(answer::verified).orElse(answer)).toList();
        return new Ballot(verified, votes(example, verified, task));
    }

    /**
     * Counts the votes of these answers and returns them in the same form as {@link #votes()}. Samples without an
     * answer and rejected answers have no vote.
     */
    public static List<Votes> votes(Example example, List<Answer> answers, Task task) {
        Map<String, List<String>> byKey = new LinkedHashMap<>();
        for (Answer answer : answers) {
            if (answer.answer() != null && !answer.isRejected()) {
                String key = example.canonical(task.key(answer.answer()));
                byKey.computeIfAbsent(key, k -> new ArrayList<>()).add(example.isAsGiven() ? answer.answer() : key);
            }
        }
        return byKey.values().stream().map(same -> new Votes(same.getFirst(), same.size()))
                .sorted(Comparator.comparingInt(Votes::votes).reversed()).toList();
    }

    private static Answer answer(Example example, Answers.Chain chain, Task task, Method method) {
        String text = method.lastWord(chain);
        String found = method.extract(task, example, text).orElse(null);
        SampleRecord last = chain.steps().getLast();
        if (method.branching() == null) {
            return new Answer(chain.path(), found, text, last.tokens(), last.finish(),
                    before(chain.steps().subList(0, chain.steps().size() - 1)));
        }
        List<SampleRecord> before = new ArrayList<>(chain.steps());
        before.addAll(chain.parts());
        return new Answer(chain.path(), found, text, 0, last.finish(), before(before));
    }

    private static List<Intermediate> before(List<SampleRecord> steps) {
        return steps.stream().map(step -> new Intermediate(step.step(), step.text(), step.tokens(), step.finish()))
                .toList();
    }
}
