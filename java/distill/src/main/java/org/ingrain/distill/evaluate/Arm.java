package org.ingrain.distill.evaluate;

import org.ingrain.distill.method.Method;
import org.ingrain.distill.sample.ModelState;

/**
 * One row of the table: a way of asking, and who is asked.
 *
 * @param name  of its folder
 * @param title in the table
 */
public record Arm(String name, String title, Method method, ModelState weights) {
}
