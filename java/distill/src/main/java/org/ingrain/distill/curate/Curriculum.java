package org.ingrain.distill.curate;

import java.util.Arrays;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.ingrain.distill.method.Method;

/**
 * The completions of a training that removes the reasoning in stages (step by step, arXiv:2405.14838). The reasoning is
 * the text before the last phrase that introduces the answer. Stage 0 trains on the whole response. Stage k omits the
 * first k / {@code stages} of the words of the reasoning. The last stage trains on the training target, which is only
 * the answer. If no phrase introduces the answer, the whole response is the reasoning, and the stages between the first
 * and the last append the training target to the remaining words.
 *
 * @param method the sampled method; its {@code answerAfter}, if set, is the phrase that introduces the answer
 * @param stages number of stages that remove words; also the index of the last stage, because stage 0 removes none
 */
public record Curriculum(Method method, int stages) {
    private static final Pattern ANSWER = Pattern.compile("(?i)\\b(?:the )?(?:final )?answer(?: is|:)|####");

    /** The completion that a stage trains on for one training target of an entry. */
    public String text(int stage, Entry entry, Entry.TargetText target) {
        if (stage == stages) {
            return target.text();
        }
        String response = entry.orders().get(target.order()).answers().stream()
                .filter(answer -> answer.path().equals(target.path())).findFirst()
                .orElseThrow().text().strip();
        int cut = answerAt(response);
        String[] reasoning = (cut < 0 ? response : response.substring(0, cut)).strip().split("\\s+");
        String ending = cut < 0 ? target.text() : response.substring(cut);
        int dropped = Math.ceilDiv(stage * reasoning.length, stages);
        return stage == 0 ? response
                : (String.join(" ", Arrays.asList(reasoning).subList(dropped, reasoning.length)) + " " + ending)
                .strip();
    }

    /** Start of the last phrase that introduces an answer; -1 if there is none. */
    private int answerAt(String text) {
        return method.answerAfter() != null ? method.answerAt(text)
                : ANSWER.matcher(text).results().map(MatchResult::start).reduce((first, second) -> second).orElse(-1);
    }
}
