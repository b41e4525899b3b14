package org.ingrain.distill.report.table;

import java.util.List;
import org.ingrain.distill.evaluate.Arm.Role;

/**
 * The folders of a student's files.
 *
 * @param name   name of the student, which is also the name of its arm
 * @param title  title of the student in tables
 * @param folder folder of the ledger, relative to the run folder; either empty or with a slash at the end
 * @param stages folders of the training stages, relative to the run folder, in the sequence of the stages; each is
 *               either empty or has a slash at the end
 */
public record StudentFiles(Role role, String name, String title, String folder, List<String> stages) {
}
