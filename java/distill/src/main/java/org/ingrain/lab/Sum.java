package org.ingrain.lab;

import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

/** Numbers of one digit that are added up. */
record Sum(List<Integer> numbers) {
    static Sum of(int count, Draw draw) {
        List<Integer> numbers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            numbers.add(1 + draw.number(9));
        }
        return new Sum(numbers);
    }

    String question() {
        StringJoiner listed = new StringJoiner(", ");
        numbers.subList(0, numbers.size() - 1).forEach(number -> listed.add(String.valueOf(number)));
        return "Add " + listed + " and " + numbers.getLast() + ".";
    }

    String worked() {
        StringJoiner steps = new StringJoiner(" ");
        int sum = numbers.getFirst();
        for (int number : numbers.subList(1, numbers.size())) {
            steps.add(sum + " and " + number + " is " + (sum + number) + ".");
            sum += number;
        }
        return steps.add("The answer is " + answer() + ".").toString();
    }

    String answer() {
        return String.valueOf(numbers.stream().mapToInt(Integer::intValue).sum());
    }
}
