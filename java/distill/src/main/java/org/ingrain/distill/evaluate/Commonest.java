package org.ingrain.distill.evaluate;

import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.ingrain.distill.curate.Distribution;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.Task;

/**
 * The result of answering every test question with the commonest gold answer. A method that is not better than this
 * constant answer may ignore the questions. The constant is chosen from the gold answers, so it is only a baseline and
 * not a method that could be used.
 *
 * @param answer    the commonest gold answer, as a key of the task; if several are equally common, the one that occurs
 *                  first
 * @param questions number of test questions, each in the given presentation order
 * @param right     number of questions on which this answer is right
 * @param accuracy  {@code right / questions}, 0 to 1
 * @param low       lower end of the 95 % interval of the accuracy
 * @param high      upper end of that interval
 * @param gold      distribution of the gold answers, which are keys of the task
 */
public record Commonest(String answer, int questions, int right, double accuracy, double low, double high,
        Distribution gold) {
    /** @param asked the test questions, at least one, in one or more presentation orders; each has a gold answer */
    static Commonest of(Task task, List<Example> asked) {
        List<Example> given = asked.stream().filter(Example::isAsGiven).toList();
        List<String> keys = given.stream()
                .map(example -> task.key(task.gold(example).orElse(example.gold()))).toList();
        Map<String, Long> counts = keys.stream().collect(Collectors.groupingBy(Function.identity(),
                Collectors.counting()));
        long most = counts.values().stream().mapToLong(Long::longValue).max().orElseThrow();
        String answer = keys.stream().filter(key -> counts.get(key) == most).findFirst().orElseThrow();
        int right = (int) given.stream().filter(example -> task.isRight(example, answer)).count();
        Wilson interval = Wilson.of(right, given.size());
        return new Commonest(answer, given.size(), right, (double) right / given.size(), interval.low(),
                interval.high(), Distribution.of(keys));
    }

    /** The title of the table row. */
    public String title() {
        return "always " + (gold.commonest().isEmpty() ? answer : gold.commonest().getFirst().answer())
                + " (commonest gold answer)";
    }

    /** Whether one answer makes up at least this share of the gold answers. */
    public boolean isOneSided(double share) {
        return gold.largest() >= share;
    }
}
