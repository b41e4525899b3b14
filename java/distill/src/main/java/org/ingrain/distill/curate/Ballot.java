package org.ingrain.distill.curate;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Finish;
import org.ingrain.distill.sample.Sample;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;

/**
 * What an example's samples answered, and how many agree.
 *
 * @param answers every final answer
 * @param votes   equal answers counted under the first one's wording; most votes first, among equals the one that came first
 */
public record Ballot(List<Answer> answers, List<Votes> votes) {
    /**
     * One final answer.
     *
     * @param path   which sample
     * @param answer what was found in its text, or null
     * @param text   its last step's text
     * @param tokens its last step's tokens
     * @param steps  the intermediate steps; one that several answers share is with each of them
     */
    public record Answer(String path, String answer, String text, int tokens, Finish finish, List<Intermediate> steps) {
    }

    /** A text that was made on the way to an answer. */
    public record Intermediate(String step, String text, int tokens, Finish finish) {
    }

    /** Samples that agree on an answer. */
    public record Votes(String answer, int votes) {
    }

    public static Ballot of(Example example, Answers samples, Task task, Method method) {
        List<Answer> answers = new ArrayList<>();
        Map<String, List<String>> byKey = new LinkedHashMap<>();
        for (Answers.Chain chain : samples.chains()) {
            String found = method.extract(task, example, chain.text()).orElse(null);
            answers.add(answer(chain, found));
            if (found != null) {
                byKey.computeIfAbsent(task.key(found), key -> new ArrayList<>()).add(found);
            }
        }
        List<Votes> votes = byKey.values().stream().map(same -> new Votes(same.getFirst(), same.size()))
                .sorted(Comparator.comparingInt(Votes::votes).reversed()).toList();
        return new Ballot(answers, votes);
    }

    /** Votes of the first answer less those of the second. */
    public int margin() {
        return most() - (votes.size() < 2 ? 0 : votes.get(1).votes());
    }

    /** Votes of the most voted answer, 0 if nothing was answered. */
    public int most() {
        return votes.isEmpty() ? 0 : votes.getFirst().votes();
    }

    private static Answer answer(Answers.Chain chain, String found) {
        Sample last = chain.steps().getLast();
        List<Intermediate> before = chain.steps().subList(0, chain.steps().size() - 1).stream()
                .map(step -> new Intermediate(step.step(), step.text(), step.tokens(), step.finish())).toList();
        return new Answer(chain.path(), found, last.text(), last.tokens(), last.finish(), before);
    }
}
