package org.ingrain.distill.task;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.task.data.Rows;
import org.ingrain.files.Digest;
import tools.jackson.databind.JsonNode;

/**
 * Reads pairs of replies to one prompt from an export of OASST2. The rows of the export are trees ({@code prompt} with
 * {@code replies}) or single messages ({@code message_id}, {@code parent_id}). Only English first prompts and their
 * English replies with human ranks are used. The reply with the lower rank number is better. A hash of the ids
 * determines which reply is response A. All pairs of replies to one prompt form a group of variants.
 */
final class Oasst {
    private Oasst() {
    }

    private record Reply(String id, String text, int rank) {
    }

    static boolean isExport(Path data) {
        JsonNode first = Rows.first(data);
        return first.path("prompt").has("replies") || first.has("message_id") && first.has("role");
    }

    static List<Example> read(Path data) {
        Map<String, String> prompts = new LinkedHashMap<>();
        Map<String, List<Reply>> replies = new LinkedHashMap<>();
        Rows.forEach(data, (row, where) -> {
            if (row.path("prompt").has("replies")) {
                JsonNode prompt = row.path("prompt");
                String id = prompt.path("message_id").asString(where);
                prompt(prompt, id, prompts);
                prompt.path("replies").forEach(reply -> reply(reply, id, replies));
            } else if (row.path("parent_id").isMissingNode() || row.path("parent_id").isNull()) {
                prompt(row, row.path("message_id").asString(where), prompts);
            } else {
                reply(row, row.path("parent_id").asString(""), replies);
            }
        });
        List<Example> examples = new ArrayList<>();
        prompts.forEach((id, text) -> pairs(id, text, replies.getOrDefault(id, List.of()), examples));
        return examples;
    }

    private static void prompt(JsonNode message, String id, Map<String, String> prompts) {
        if (message.path("lang").asString("").equals("en")) {
            prompts.put(id, message.path("text").asString("").strip());
        }
    }

    private static void reply(JsonNode message, String parent, Map<String, List<Reply>> replies) {
        boolean usable = message.path("role").asString("").equals("assistant") && message.path("rank").canConvertToInt()
                && message.path("lang").asString("").equals("en")
                && !message.path("deleted").asBoolean(false);
        if (usable) {
            replies.computeIfAbsent(parent, id -> new ArrayList<>())
                    .add(new Reply(message.path("message_id").asString(""), message.path("text").asString("").strip(),
                            message.path("rank").asInt()));
        }
    }

    private static void pairs(String id, String prompt, List<Reply> replies, List<Example> examples) {
        List<Reply> ranked = replies.stream().sorted(Comparator.comparingInt(Reply::rank)).toList();
        for (int better = 0; better < ranked.size(); better++) {
            for (int worse = better + 1; worse < ranked.size(); worse++) {
                if (ranked.get(better).rank() == ranked.get(worse).rank()) {
                    continue;
                }
                boolean first = (Digest.seed(0, ranked.get(better).id(), ranked.get(worse).id()) & 1) == 0;
                Map<String, String> fields = Map.of(Pairwise.RESPONSE_A, ranked.get(first ? better : worse).text(),
                        Pairwise.RESPONSE_B, ranked.get(first ? worse : better).text());
                String gold = first ? "A" : "B";
                examples.add(new Example(id + "-" + better + "-" + worse, prompt, gold, fields, null, List.of(gold))
                        .of(prompt));
            }
        }
    }
}
