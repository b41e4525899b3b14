package org.ingrain.distill.evaluate;

/**
 * A row of the table.
 *
 * @param accuracy   share of right answers, 0 to 1
 * @param low        lower end of its 95 % interval
 * @param high       upper end
 * @param tokens     generated for each question, on average
 * @param unanswered questions to which no answer was found in the text; they count as wrong
 */
public record ArmResult(String name, String title, int questions, int right, double accuracy, double low, double high, double tokens,
                        int unanswered) {
}
