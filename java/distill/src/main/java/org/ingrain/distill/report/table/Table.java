package org.ingrain.distill.report.table;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/**
 * A table of words and figures. The first column is left-aligned; all other columns are right-aligned.
 *
 * @param head column titles
 * @param rows rows; each row has as many cells as {@code head}
 */
public record Table(List<String> head, List<List<String>> rows) {
    /** The table as text for a terminal, aligned with spaces. */
    public String text() {
        Table flat = each(Table::oneLine);
        StringBuilder text = new StringBuilder();
        List<Integer> widths = flat.widths();
        line(text, flat.head, widths);
        text.append("-".repeat(widths.stream().mapToInt(Integer::intValue).sum() + 2 * (widths.size() - 1)))
                .append('\n');
        flat.rows.forEach(row -> line(text, row, widths));
        return text.toString();
    }

    public String markdown() {
        Table flat = each(cell -> oneLine(cell).replace("|", "\\|"));
        StringBuilder text = new StringBuilder();
        text.append("| ").append(String.join(" | ", flat.head)).append(" |\n|---|")
                .append("--:|".repeat(head.size() - 1)).append('\n');
        flat.rows.forEach(row -> text.append("| ").append(String.join(" | ", row)).append(" |\n"));
        return text.toString();
    }

    private Table each(UnaryOperator<String> change) {
        return new Table(head.stream().map(change).toList(),
                rows.stream().map(row -> row.stream().map(change).toList()).toList());
    }

    /** Replaces line breaks and control characters, because categories and titles of a user may contain them. */
    private static String oneLine(String cell) {
        return cell.replaceAll("\\R|\\p{Cntrl}", " ");
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
