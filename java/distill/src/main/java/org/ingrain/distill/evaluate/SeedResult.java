package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The result of one arm over several seeds: one row of the table over seeds. The last row of this table has the result
 * of always giving the commonest gold answer.
 *
 * @param accuracies accuracy of each seed, 0 to 1
 * @param mean       mean accuracy
 * @param low        lower end of the 95 % interval of the mean by Student's t distribution, at least 0; equal to the
 *                   mean if there is only one seed
 * @param high       upper end of that interval, at most 1
 * @param tokens     number of generated tokens per question, averaged over the seeds
 * @param shares     the shares of {@link ArmResult#shares()}; each is the mean over the seeds that have this share
 */
public record SeedResult(String name, String title, List<Double> accuracies, double mean, double low, double high,
        double tokens,
                         @JsonInclude(JsonInclude.Include.NON_EMPTY) Map<String, Double> shares) {
    /** Two-sided 95 % quantiles of Student's t distribution; element i is for i + 1 degrees of freedom. */
    private static final double[] T = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201,
            2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
    private static final double T_OF_MANY = 1.960;

    /**
     * Makes one row for each arm name, in the order of first appearance. A row includes only the seeds that have this
     * arm. The last row is for the commonest gold answer.
     */
    public static List<SeedResult> of(List<List<ArmResult>> seeds) {
        Map<String, List<ArmResult>> byName = new LinkedHashMap<>();
        seeds.forEach(
                arms -> arms.forEach(arm -> byName.computeIfAbsent(arm.name(), name -> new ArrayList<>()).add(arm)));
        List<SeedResult> rows = new ArrayList<>(byName.values().stream().map(SeedResult::row).toList());
        List<Commonest> constants = seeds.stream().filter(arms -> !arms.isEmpty())
                .map(arms -> arms.getFirst().commonest()).toList();
        if (!constants.isEmpty()) {
            rows.add(row("commonest", "always the commonest gold answer",
                    constants.stream().map(Commonest::accuracy).toList(), 0, Map.of()));
        }
        return rows;
    }

    private static SeedResult row(List<ArmResult> arms) {
        return row(arms.getFirst().name(), arms.getFirst().title(), arms.stream().map(ArmResult::accuracy).toList(),
                arms.stream().mapToDouble(ArmResult::tokens).average().orElse(0), shares(arms));
    }

    private static SeedResult row(String name, String title, List<Double> accuracies, double tokens,
            Map<String, Double> shares) {
        int n = accuracies.size();
        double mean = accuracies.stream().mapToDouble(Double::doubleValue).sum() / n;
        double squares = accuracies.stream().mapToDouble(x -> (x - mean) * (x - mean)).sum();
        double half = n < 2 ? 0 : (n - 2 < T.length ? T[n - 2] : T_OF_MANY) * Math.sqrt(squares / (n - 1) / n);
        return new SeedResult(name, title, accuracies, mean, Math.max(0, mean - half), Math.min(1, mean + half), tokens,
                shares);
    }

    private static Map<String, Double> shares(List<ArmResult> arms) {
        Map<String, List<Double>> byTitle = new LinkedHashMap<>();
        arms.forEach(arm -> arm.shares()
                .forEach((title, share) -> byTitle.computeIfAbsent(title, t -> new ArrayList<>()).add(share)));
        Map<String, Double> means = new LinkedHashMap<>();
        byTitle.forEach(
                (title, all) -> means.put(title, all.stream().mapToDouble(Double::doubleValue).sum() / all.size()));
        return means;
    }
}
