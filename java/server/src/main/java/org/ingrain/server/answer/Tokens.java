package org.ingrain.server.answer;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.ingrain.sample.Completion;
import org.ingrain.sample.Completion.FinishReason;
import org.ingrain.sample.GeneratedToken;
import org.ingrain.sample.TopTokens;

/** Converts completions to lists of tokens with log-probabilities. The parts of a stream already contain such lists. */
final class Tokens {
    /** Replaces a log-probability of -inf, which JSON cannot represent. */
    private static final float LEAST = -9999;

    private Tokens() {
    }

    /** The generated tokens. */
    static List<GeneratedToken> generated(Completion completion) {
        return tokens(completion.ids(), completion.logProbabilities(), completion.topTokens());
    }

    /** The tokens of the prompt. The log-probability of the first token is NaN. */
    static List<GeneratedToken> prompt(int[] ids, Completion completion) {
        return tokens(ids, completion.promptLogProbabilities(), completion.promptTopTokens());
    }

    private static List<GeneratedToken> tokens(int[] ids, float[] logProbabilities, TopTokens top) {
        List<GeneratedToken> tokens = new ArrayList<>();
        for (int i = 0; i < ids.length; i++) {
            int n = top == null || i >= top.positions() || top.id(i, 0) < 0 ? 0 : top.n();
            int[] topIds = new int[n];
            float[] topLogProbabilities = new float[n];
            for (int rank = 0; rank < n; rank++) {
                topIds[rank] = top.id(i, rank);
                topLogProbabilities[rank] = top.logProbability(i, rank);
            }
            tokens.add(new GeneratedToken(ids[i], logProbabilities[i], topIds, topLogProbabilities));
        }
        return tokens;
    }

    /** Returns a log-probability that JSON can represent. */
    static float finite(float logProbability) {
        return Math.max(LEAST, logProbability);
    }

    /** The finish_reason of a choice. */
    static String reason(FinishReason reason) {
        return reason == FinishReason.CANCELLED ? "abort" : reason.name().toLowerCase(Locale.ROOT);
    }
}
