package org.ingrain.distill.report.table;

import java.util.List;
import org.ingrain.distill.evaluate.Arm.Role;

/**
 * A student and the folders of its files.
 *
 * @param name   name of the student and of its arm
 * @param title  title of the student in tables
 * @param folder folder of the ledger, relative to the run folder; empty, or with a slash at the end
 * @param stages folders of the training stages, in the order of the stages; each is empty, or has a slash at the end
 */
public record StudentFiles(Role role, String name, String title, String folder, List<String> stages) {
}
