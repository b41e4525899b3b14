package org.ingrain.distill.report.table;

import java.util.List;
import org.ingrain.distill.method.Mark;
import org.ingrain.distill.sample.Plan;

/**
 * The prompts of System 2.
 *
 * @param plan  plan with the prompt of each step
 * @param marks source of the wording of each step
 */
public record Prompts(Plan plan, List<Mark> marks) {
}
