package org.ingrain.distill.curate;

import java.util.Arrays;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.ingrain.distill.method.Method;

/**
 * Teaches the way to an answer before the answer, and takes it away part by part from its beginning, so that what was
 * written becomes what is thought (step by step, arXiv:2405.14838). Stage 0 teaches the whole text of the sample, stage
 * k leaves out the first k / stages of the words before the phrase that brings the answer; the last stage is the answer
 * alone.
 *
 * @param method tells the way from the answer, where it has a phrase of its own
 * @param stages parts in which the words are taken away
 */
public record Curriculum(Method method, int stages) {
    private static final Pattern ANSWER = Pattern.compile("(?i)\\b(?:the )?(?:final )?answer(?: is|:)|####");

    /** What a stage teaches to say, for a lesson of an entry. */
    public String words(int stage, Entry entry, Entry.Lesson lesson) {
        if (stage == stages) {
            return lesson.text();
        }
        String text = entry.orders().get(lesson.order()).answers().stream()
                .filter(answer -> answer.path().equals(lesson.path())).findFirst()
                .orElseThrow().text().strip();
        int cut = answerAt(text);
        String[] way = (cut < 0 ? text : text.substring(0, cut)).strip().split("\\s+");
        String ending = cut < 0 ? lesson.text() : text.substring(cut);
        int dropped = Math.ceilDiv(stage * way.length, stages);
        return stage == 0 ? text : (String.join(" ", Arrays.asList(way).subList(dropped, way.length)) + " " + ending)
                .strip();
    }

    /** Where the last phrase begins that brings an answer, -1 if there is none. */
    private int answerAt(String text) {
        return method.answerAfter() != null ? method.answerAt(text)
                : ANSWER.matcher(text).results().map(MatchResult::start).reduce((first, second) -> second).orElse(-1);
    }
}
