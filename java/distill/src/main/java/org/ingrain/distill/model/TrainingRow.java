package org.ingrain.distill.model;

import java.util.List;
import org.ingrain.template.Message;

/**
 * What a student is trained on, as a line of JSONL.
 *
 * @param prompt     before the chat template
 * @param completion what the student learns to say
 */
public record TrainingRow(List<Message> prompt, String completion) {
}
