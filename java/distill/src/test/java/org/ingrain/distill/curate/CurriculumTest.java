package org.ingrain.distill.curate;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.IntStream;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Finish;
import org.junit.jupiter.api.Test;

class CurriculumTest {
    private static List<String> stages(String text, String label, int stages) {
        Entry.TargetText target = new Entry.TargetText(0, "1", label);
        List<Ballot.Answer> answers = List.of(new Ballot.Answer("0", "5", "Not this one. The answer is 5.", 8,
                Finish.STOP, List.of()), new Ballot.Answer("1", label, text, 20, Finish.STOP, List.of()));
        Entry entry = new Entry("1", "?", null, null, Entry.Verdict.KEPT, Entry.Reason.MAJORITY, "", label, null, 1, 1,
                false, 2, 2, 2, 28, List.of(), List.of(target), List.of(new Entry.Order("1", answers)));
        Curriculum curriculum = new Curriculum(Methods.load("cot"), stages);
        return IntStream.rangeClosed(0, stages).mapToObj(stage -> curriculum.text(stage, entry, target)).toList();
    }

    @Test
    void wordsGoFromTheBeginningPartByPart() {
        assertEquals(List.of("3 + 4 ends in 7. 7 + 5 ends in 2. The answer is 2.",
                "in 7. 7 + 5 ends in 2. The answer is 2.", "5 ends in 2. The answer is 2.", "2"),
                stages("3 + 4 ends in 7. 7 + 5 ends in 2. The answer is 2.", "2", 3));
    }

    @Test
    void anAnswerWithoutAPhraseEndsInItsLabel() {
        assertEquals(List.of("it is seven, 7", "seven, 7 7", "7"), stages("it is seven, 7", "7", 2));
    }

    @Test
    void theLastPhraseBringsTheAnswer() {
        assertEquals(List.of("The answer is 3? No. #### 4", "3? No. #### 4", "4"),
                stages("The answer is 3? No. #### 4", "4", 2));
    }

    @Test
    void noStagesAreTheAnswerAtOnce() {
        assertEquals(List.of("2"), stages("The answer is 2.", "2", 0));
    }
}
