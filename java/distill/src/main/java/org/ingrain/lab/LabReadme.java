package org.ingrain.lab;

import java.util.List;
import java.util.Locale;

/**
 * The text of models/lab/README.md. The text contains the recipe, the results on held-out words, and the evaluations of
 * each seed during training.
 *
 * @param config settings of the first seed
 * @param made   all trained models; the first one is written to the output folder
 * @param test   results of each model on held-out words, in the order of {@code made}
 * @param sizes  number of words for the corpus, the pool questions, the development questions and the test questions,
 *               in this order
 */
record LabReadme(LabConfig config, List<LabModel.Made> made, List<Look> test, int[] sizes) {
    String text() {
        StringBuilder page = new StringBuilder(config.course() == Course.LETTERS_AND_COINS ? """
                # The lab model

                The lab model is a Llama of 0.85 million parameters, trained from random weights by Ingrain itself. It \
                is so small that
                the experiments of arXiv:2407.06023 take minutes on two CPU cores (`./ingrain demo`). It has learned \
                only the skills
                below. One command trains it again, byte for byte. After an interruption, the same command resumes the \
                training:

                """ : "# A lab model\n\nIt has learned only the skills below. One command trains it again:\n\n");
        page.append(
                String.format(Locale.ROOT, "    ./ingrain lab --course %s --seed %d --seeds %d --output runs/lab%n%n",
                        words(config.course()), config.seed(), made.size()));
        recipe(page);
        page.append(String.format(Locale.ROOT, """
                ## Choice

                Every %d steps the model answers %d development questions of each kind with greedy sampling. Training \
                ends at the
                first evaluation in which the methods (Rephrase and Respond in two steps, chain of thought) are right \
                on at least
                %.0f %% of the questions of every kind. The accuracy of direct answers is not part of this rule. The \
                model of the
                first seed is kept. benchmarks/LOG.md describes trials of the recipe, which used other seeds.

                ## On held-out words

                The table has the accuracy in %% on %d questions of each kind, with greedy sampling and the weights in \
                each model's
                folder.

                """, config.checkEvery(), config.questions(), 100 * config.chosenAt(), config.test()));
        page.append(head("seed | steps"));
        for (int i = 0; i < made.size(); i++) {
            Look last = made.get(i).looks().getLast();
            page.append("| ").append(made.get(i).seed()).append(i == 0 ? ", kept" : "").append(" | ")
                    .append(last.step())
                    .append(last.works(config.chosenAt()) ? "" : ", rule not met");
            row(page, test.get(i));
        }
        for (LabModel.Made one : made) {
            page.append("\n## Course of seed ").append(one.seed()).append("\n\n").append(head("step | tokens"));
            for (Look look : one.looks()) {
                page.append(String.format(Locale.ROOT, "| %d | %,d", look.step(), look.tokens()));
                row(page, look);
            }
        }
        return page.toString();
    }

    private void recipe(StringBuilder page) {
        page.append(String.format(Locale.ROOT, """
                ## Recipe

                The model has hidden size 128, 4 layers, 4 heads, intermediate size 352, context 512, tied embeddings \
                and BF16 weights.
                It is trained on %,d rows drawn from the skills below, in batches of %d, with at most %,d steps of \
                AdamW. The
                learning rate is %s after 60 steps and falls to 5 %% of this value (cosine). The betas are 0.9 and \
                0.95, the weight
                decay is 0.05, and gradients are clipped at norm 1. Training runs in F32 on the CPU. The loss covers \
                the answers
                only.

                The corpus uses %,d words in rows of all kinds. The unlabelled pool has %,d words. They are also in \
                the corpus,
                but in no direct answer to a question about two words or three people. %,d words are for the
                development questions and %,d for the test questions; none of these words is in the corpus.
                Some of the words are from the project's own list of names, and the others are generated from \
                syllables (`Lexicon`,
                seed %d). Both kinds are the project's own work and in the public domain (CC0 1.0).

                | skill | share of rows |
                |---|--:|
                """, config.rows(), config.batchSize(), config.steps(), config.learningRate(),
                sizes[0], sizes[1], sizes[2], sizes[3], Lexicon.SEED));
        for (Skill skill : config.course().skills()) {
            page.append("| ").append(words(skill).replace('-', ' ')).append(" | ").append(percent(skill.share()))
                    .append(" % |\n");
        }
        page.append("""

                All answers in the corpus are right. Direct answers to whole questions are rare: a few fixed \
                questions, and questions in their
                shortest form. The direct answers of the model (System 1) generalise from these.

                """);
    }

    private String head(String before) {
        StringBuilder head = new StringBuilder("| ").append(before);
        for (LabQuestions.Kind kind : config.course().kinds()) {
            head.append(" | ").append(words(kind)).append(" at once | by ").append(kind.method());
        }
        return head.append(" |\n").append("|--:".repeat(2 + 2 * config.course().kinds().size())).append("|\n")
                .toString();
    }

    private static void row(StringBuilder page, Look look) {
        for (Look.Shares shares : look.kinds().values()) {
            page.append(" | ").append(percent(shares.atOnce())).append(" | ").append(percent(shares.worked()));
        }
        page.append(" |\n");
    }

    private static String percent(double share) {
        return String.format(Locale.ROOT, "%.1f", 100 * share);
    }

    private static String words(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
