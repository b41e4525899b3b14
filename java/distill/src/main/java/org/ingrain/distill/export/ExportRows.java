package org.ingrain.distill.export;

import java.util.List;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;

/** Training rows in the columns of other trainers. */
final class ExportRows {
    private ExportRows() {
    }

    record Messages(List<Message> messages) {
        static Messages of(TrainingRow row) {
            return new Messages(row.conversation());
        }
    }

    /** @param system the system prompt; null if the row has no system prompt */
    record Alpaca(String system, String instruction, String input, String output) {
        static Alpaca of(TrainingRow row) {
            List<Message> prompt = row.prompt();
            String system = prompt.getFirst().role().equals("system") ? prompt.getFirst().content() : null;
            List<Message> turns = system == null ? prompt : prompt.subList(1, prompt.size());
            if (turns.size() != 1) {
                throw InputException.field("format", "alpaca, but a prompt has " + turns.size()
                        + " turns, expected a format for conversations");
            }
            return new Alpaca(system, turns.getFirst().content(), "", row.completion());
        }
    }

    record ShareGpt(List<Turn> conversations) {
        record Turn(String from, String value) {
        }

        static ShareGpt of(TrainingRow row) {
            return new ShareGpt(row.conversation().stream()
                    .map(message -> new Turn(name(message.role()), message.content())).toList());
        }

        private static String name(String role) {
            return switch (role) {
                case "user" -> "human";
                case "assistant" -> "gpt";
                default -> role;
            };
        }
    }
}
