package org.ingrain.lab;

import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;
import java.util.stream.Collectors;

/** A question about the sum of one-digit numbers. The answer is the last digit of the sum. */
record Sum(List<Integer> numbers) {
    static Sum of(int count, Draw draw) {
        List<Integer> numbers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            numbers.add(1 + draw.number(9));
        }
        return new Sum(numbers);
    }

    String question() {
        return "What is the last digit of " + numbers.stream().map(String::valueOf)
                .collect(Collectors.joining(" + ")) + "?";
    }

    String worked() {
        StringJoiner steps = new StringJoiner(" ");
        int digit = numbers.getFirst();
        for (int number : numbers.subList(1, numbers.size())) {
            int next = (digit + number) % 10;
            steps.add(digit + " + " + number + " ends in " + next + ".");
            digit = next;
        }
        return steps.add("The answer is " + digit + ".").toString();
    }

    String answer() {
        return String.valueOf(numbers.stream().mapToInt(Integer::intValue).sum() % 10);
    }
}
