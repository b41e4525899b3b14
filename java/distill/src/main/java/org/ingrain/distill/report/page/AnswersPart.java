package org.ingrain.distill.report.page;

import java.nio.file.Path;
import java.util.List;
import org.ingrain.distill.curate.Ballot;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Paired;
import org.ingrain.distill.evaluate.Score;
import org.ingrain.distill.report.table.Report;
import org.ingrain.files.JsonLines;

/**
 * The held-out questions of a page, each with the answers of all arms.
 *
 * @param gain the paired test of the first-round student against System 1; null if one of these two arms was not
 *             evaluated
 */
public record AnswersPart(PackedItems<?> packs, Paired gain) {
    /** A line of the index, for one question. */
    public record Item(String id, String question, String gold, List<Given> arms, Integer piece) {
    }

    /** The answer of one arm to a question. */
    public record Given(String answer, boolean right, int tokens) {
    }

    /** The texts of a question, which the page shows when the reader opens the question. */
    public record Texts(String question, List<List<Ballot.Answer>> arms) {
    }

    /** Reads the scores of all arms. The score files of all arms have the same questions in the same order. */
    public static AnswersPart read(Path folder, List<ArmResult> arms, int room) {
        List<List<Score>> scores = arms.stream().map(
                arm -> JsonLines.read(folder.resolve(Report.scores(arm.name())), Score.class)).toList();
        PackedItems<Item> packs = new PackedItems<>(room);
        for (int i = 0; i < scores.getFirst().size(); i++) {
            int question = i;
            List<Score> ofQuestion = scores.stream().map(arm -> arm.get(question)).toList();
            Score first = ofQuestion.getFirst();
            List<Given> given = ofQuestion.stream().map(
                    score -> new Given(score.answer(), score.right(), score.tokens())).toList();
            packs.add(piece -> new Item(first.id(), LedgerPart.cut(first.question()), first.gold(), given, piece),
                    new Texts(first.question(), ofQuestion.stream().map(Score::answers).toList()));
        }
        int before = arms.indexOf(ArmResult.first(arms, Role.SYSTEM_1));
        int after = arms.indexOf(ArmResult.first(arms, Role.DISTILLED));
        return new AnswersPart(packs, before < 0 || after < 0
                ? null : Paired.of(scores.get(before), scores.get(after)));
    }
}
