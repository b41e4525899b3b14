package org.ingrain.distill.report;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A table of words and figures: the first column to the left, the others to the right.
 *
 * @param head column titles
 * @param rows each as long as the head
 */
record Table(List<String> head, List<List<String>> rows) {
    /** Aligned by blanks, for a terminal. */
    String text() {
        StringBuilder text = new StringBuilder();
        List<Integer> widths = widths();
        line(text, head, widths);
        text.append("-".repeat(widths.stream().mapToInt(Integer::intValue).sum() + 2 * (widths.size() - 1))).append('\n');
        rows.forEach(row -> line(text, row, widths));
        return text.toString();
    }

    String markdown() {
        StringBuilder text = new StringBuilder();
        text.append("| ").append(String.join(" | ", head)).append(" |\n|---|").append("--:|".repeat(head.size() - 1)).append('\n');
        rows.forEach(row -> text.append("| ").append(String.join(" | ", row)).append(" |\n"));
        return text.toString();
    }

    private static void line(StringBuilder text, List<String> cells, List<Integer> widths) {
        List<String> padded = new ArrayList<>();
        for (int i = 0; i < cells.size(); i++) {
            String blanks = " ".repeat(widths.get(i) - cells.get(i).length());
            padded.add(i == 0 ? cells.get(i) + blanks : blanks + cells.get(i));
        }
        text.append(String.join("  ", padded).stripTrailing()).append('\n');
    }

    private List<Integer> widths() {
        return IntStream.range(0, head.size()).mapToObj(i -> Math.max(head.get(i).length(),
                rows.stream().mapToInt(row -> row.get(i).length()).max().orElse(0))).toList();
    }
}
