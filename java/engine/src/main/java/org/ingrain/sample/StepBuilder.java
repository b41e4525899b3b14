package org.ingrain.sample;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ingrain.sample.step.StepPlan;

/**
 * Converts the slices that the scheduler has chosen into a plan. The builder counts the slices' tokens as computed
 * although the step has not run yet, because all steps that need these tokens run later.
 */
final class StepBuilder {
    private static final int[] UNKNOWN = {0};

    private final List<StepPlan.Part> parts = new ArrayList<>();
    private final List<Integer> logitRows = new ArrayList<>();
    private final List<StepPlan.Score> scores = new ArrayList<>();
    private final List<PlannedStep.Scored> scored = new ArrayList<>();
    private final List<Integer> copies = new ArrayList<>();
    private final Drawn now = new Drawn(new ArrayList<>(), new ArrayList<>());
    private final Drawn later = new Drawn(new ArrayList<>(), new ArrayList<>());
    private int rows;

    /** A list of draws, and a list that contains the sequence of each draw. */
    private record Drawn(List<StepPlan.Draw> draws, List<Sequence> sequences) {
        void add(Sequence sequence, int logitRow) {
            SamplingParams params = sequence.ticket.request.params();
            draws.add(new StepPlan.Draw(logitRow, sequence.number, sequence.length(), (float) params.temperature(),
                    params.topK(), (float) params.topP(), params.seed()));
            sequences.add(sequence);
            sequence.draw(draws.size() - 1);
        }

        /** One bias for each draw that has a bias. */
        List<StepPlan.Bias> biases() {
            return IntStream.range(0, draws.size()).mapToObj(i -> {
                Ticket ticket = sequences.get(i).ticket;
                return ticket.bias.at(i, draws.get(i).position() - ticket.request.prompt().length);
            }).filter(Objects::nonNull).toList();
        }

        Drawn part(int from, int to) {
            return new Drawn(draws.subList(from, to), sequences.subList(from, to));
        }
    }

    /**
     * Adds a slice. Returns the row of logits from which the sequence's next token is drawn. Returns -1 if later steps
     * must compute further tokens of the sequence before the draw.
     */
    int add(Slice slice) {
        Sequence sequence = slice.sequence();
        int tokens = slice.tokens();
        int from = sequence.table.computed();
        int drawnRow = sequence.drawnRow();
        boolean last = tokens == sequence.pending();
        boolean wantsScores = sequence.ticket.wantsPrompt();
        parts.add(new StepPlan.Part(drawnRow < 0 ? sequence.ids(from, tokens) : UNKNOWN, from, drawnRow,
                slice.placement()));
        if (wantsScores) {
            int count = Math.min(tokens, sequence.length() - from - 1);
            scores.add(new StepPlan.Score(logitRows.size(), sequence.ids(from + 1, count)));
            scored.add(new PlannedStep.Scored(sequence.ticket, from + 1, count));
        }
        for (int t = wantsScores ? 0 : tokens - 1; t < tokens && (wantsScores || last); t++) {
            logitRows.add(rows + t);
        }
        rows += tokens;
        sequence.advance(tokens);
        return last ? logitRows.size() - 1 : -1;
    }

    /** Adds a draw for the next token of a running sequence. */
    void draw(Sequence sequence, int logitRow) {
        now.add(sequence, logitRow);
    }

    /**
     * Adds a draw for the next token of a sequence that does not fit in the batch or the cache yet. The token is drawn
     * now, because later steps overwrite the logits. The sequence then waits until it fits.
     */
    void drawForWaiting(Sequence sequence, int logitRow) {
        later.add(sequence, logitRow);
    }

    /** Adds a copy of a cache block. The step copies the block after it has computed the slices. */
    void copy(int source, int destination) {
        copies.add(source);
        copies.add(destination);
    }

    /**
     * Returns the plan of the step, followed by plans for the draws of waiting sequences. Each plan has at most
     * {@code maxDraws} draws.
     */
    List<PlannedStep> build(int maxDraws) {
        List<PlannedStep> steps = new ArrayList<>();
        int waiting = later.draws.size();
        steps.add(new PlannedStep(new StepPlan(parts, ints(logitRows), now.draws, scores, ints(copies), waiting > 0,
                topTokens(now.sequences, scored), now.biases()),
                now.sequences, scored));
        for (int i = 0; i < waiting; i += maxDraws) {
            Drawn some = later.part(i, Math.min(i + maxDraws, waiting));
            boolean more = i + maxDraws < waiting;
            steps.add(new PlannedStep(new StepPlan(List.of(), new int[0], some.draws, List.of(), new int[0], more,
                    topTokens(some.sequences, List.of()), some.biases()),
                    some.sequences, List.of()));
        }
        return steps;
    }

    /** Returns the maximum of {@code topTokens} over all requests that have draws or scores in the plan. */
    private static int topTokens(List<Sequence> drawn, List<PlannedStep.Scored> scored) {
        return Stream.concat(drawn.stream().map(sequence -> sequence.ticket),
                scored.stream().map(PlannedStep.Scored::ticket))
                .mapToInt(ticket -> ticket.request.topTokens()).max().orElse(0);
    }

    private static int[] ints(List<Integer> values) {
        return values.stream().mapToInt(Integer::intValue).toArray();
    }
}
