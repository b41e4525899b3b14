package org.ingrain.distill.report.table;

import java.util.List;
import org.ingrain.distill.method.Mark;
import org.ingrain.distill.sample.Plan;

/**
 * How System 2 was asked.
 *
 * @param plan  its steps
 * @param marks how sure the wording of each of them is
 */
public record Prompts(Plan plan, List<Mark> marks) {
}
