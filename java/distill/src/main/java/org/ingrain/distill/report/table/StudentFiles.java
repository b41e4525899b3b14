package org.ingrain.distill.report.table;

import java.util.List;
import org.ingrain.distill.evaluate.Arm.Role;

/**
 * Where the files of a student lie.
 *
 * @param name   of its arm
 * @param title  in tables
 * @param folder of its ledger, from the run's folder; empty or with a slash at its end
 * @param stages folders of its trainings, from the run's folder, in order; each empty or with a slash at its end
 */
public record StudentFiles(Role role, String name, String title, String folder, List<String> stages) {
}
