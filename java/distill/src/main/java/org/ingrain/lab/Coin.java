package org.ingrain.lab;

import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

/**
 * A coin that is heads up at first, and a sequence of people. Each person flips the coin or does not flip it.
 *
 * @param people names of the people, in the order of their turns
 * @param flips  for each person, whether that person flips the coin
 */
record Coin(List<String> people, List<Boolean> flips) {
    static Coin of(List<String> people, Draw draw) {
        List<Boolean> flips = new ArrayList<>();
        people.forEach(person -> flips.add(draw.coinFlip()));
        return new Coin(people, flips);
    }

    static String face(boolean heads) {
        return heads ? "heads" : "tails";
    }

    static String act(boolean flips) {
        return flips ? "flip" : "no flip";
    }

    String question() {
        StringBuilder question = new StringBuilder("A coin is heads up.");
        for (int i = 0; i < people.size(); i++) {
            question.append(' ').append(people.get(i)).append(
                    flips.get(i) ? " flips the coin." : " does not flip the coin.");
        }
        return question.append(" Is the coin still heads up?").toString();
    }

    String rephrased(Draw draw) {
        StringBuilder text = new StringBuilder("The coin is heads.");
        for (int i = 0; i < people.size(); i++) {
            text.append(' ').append(people.get(i)).append(": ").append(act(flips.get(i))).append('.');
        }
        return text.append(draw.one(" Is it heads now?", " Is it still heads at the end?")).toString();
    }

    /**
     * The text with the reasoning and the answer. Each reasoning step states the old and the new side of the coin. In
     * experiments with steps that stated only the new side, a model did not learn the task.
     */
    String worked() {
        StringJoiner steps = new StringJoiner(" ");
        boolean heads = true;
        for (int i = 0; i < people.size(); i++) {
            boolean next = heads != flips.get(i);
            steps.add(people.get(i) + ": " + act(flips.get(i)) + ", " + face(heads) + " to " + face(next) + ".");
            heads = next;
        }
        return steps.add("The answer is " + answer() + ".").toString();
    }

    String answer() {
        return flips.stream().filter(flip -> flip).count() % 2 == 0 ? "yes" : "no";
    }
}
