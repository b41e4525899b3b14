package org.ingrain.distill.report.table;

import java.util.List;
import org.ingrain.distill.evaluate.Arm.Role;

/**
 * The files of a student.
 *
 * @param name   name of its arm
 * @param title  title in tables
 * @param folder folder of its ledger, relative to the run folder; empty, or ends with a slash
 * @param stages folders of its trainings, relative to the run folder, in order; each is empty or ends with a slash
 */
public record StudentFiles(Role role, String name, String title, String folder, List<String> stages) {
}
