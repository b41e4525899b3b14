package org.ingrain.distill.report.table;

import java.util.List;
import org.ingrain.distill.method.Mark;
import org.ingrain.distill.sample.Plan;

/**
 * The prompts of the System 2 method.
 *
 * @param plan  sampling plan, which contains the prompt of each step
 * @param marks for each step, the source of its prompt's wording
 */
public record Prompts(Plan plan, List<Mark> marks) {
}
