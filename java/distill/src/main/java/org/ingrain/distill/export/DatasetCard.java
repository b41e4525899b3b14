package org.ingrain.distill.export;

import org.ingrain.distill.curate.Ledger;
import org.ingrain.files.Manifest;
import tools.jackson.databind.JsonNode;

/**
 * The README.md of an exported dataset, with the metadata that the Hugging Face hub reads. It states only what the run
 * has recorded. The user must choose the licence.
 *
 * @param train      number of training rows
 * @param validation number of validation rows
 */
record DatasetCard(Manifest manifest, Ledger.Summary summary, int train, int validation) {
    String text() {
        JsonNode settings = manifest.settings();
        Ledger.Count total = summary.total();
        StringBuilder card = new StringBuilder("---\n# license: choose one and remove the # at the start\n"
                + "configs:\n  - config_name: default\n    data_files:\n"
                + "      - split: train\n        path: data/train.jsonl\n");
        if (validation > 0) {
            card.append("      - split: validation\n        path: data/validation.jsonl\n");
        }
        card.append("---\n\n# Answers of a System 2 method, for fine-tuning\n\n"
                + "Each row has a question (`prompt`) and the answer that a model gave with the method below "
                + "(`completion`), both as lists of messages. The rule below selected the answers and did not use "
                + "known answers. Made with Ingrain, after *Distilling System 2 into System 1* "
                + "(arXiv:2407.06023).\n\n| | |\n|---|---|\n");
        JsonNode notes = manifest.notes();
        row(card, "model", notes.path(notes.has("teacher") ? "teacher" : "model").asString(""));
        row(card, "its answers", settings.has("imported") ? "imported from a file" : "sampled");
        row(card, "questions from", String.join(", ", notes.path("data").valueStream()
                .map(JsonNode::asString).toList()));
        row(card, "task", settings.path("data").path("task").path("name").asString(""));
        row(card, "method", settings.path("method").path("title").asString(""));
        row(card, "rule", settings.path("curation").path("rule").asString(""));
        row(card, "target", settings.path("curation").path("target").asString(""));
        row(card, "seed", settings.path("sample").path("params").path("seed").asString(""));
        row(card, "version of Ingrain", settings.path("version").asString(""));
        row(card, "questions", String.valueOf(total.examples()));
        row(card, "kept", String.valueOf(total.kept()));
        row(card, "training rows", String.valueOf(train));
        row(card, "validation rows", String.valueOf(validation));
        row(card, "labels that equal the known answer", total.known() == 0
                ? "not measured" : total.right() + " of " + total.known());
        return card.toString();
    }

    private static void row(StringBuilder card, String name, String value) {
        card.append("| ").append(name).append(" | ").append(value.replace("|", "\\|").replaceAll("\\R", " "))
                .append(" |\n");
    }
}
