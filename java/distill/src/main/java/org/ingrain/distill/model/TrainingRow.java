package org.ingrain.distill.model;

import java.util.List;
import org.ingrain.template.Message;

/**
 * A training example of a student; it is stored as a line of a JSONL file.
 *
 * @param prompt     the prompt before the chat template is applied
 * @param completion the text that the student is trained to generate
 */
public record TrainingRow(List<Message> prompt, String completion) {
}
