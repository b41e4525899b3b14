package org.ingrain.distill.model;

import java.util.List;
import org.ingrain.template.Message;

/**
 * A training example of a student, as a line of JSONL.
 *
 * @param prompt     the prompt, before the chat template
 * @param completion the text that the student is trained to generate
 */
public record TrainingRow(List<Message> prompt, String completion) {
}
