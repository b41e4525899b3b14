package org.ingrain.template;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.tensor.InputException;

/**
 * Rewrites a Jinja template for Jinjava, which renders some constructs differently from Jinja. This class removes white
 * space as Jinja does with trim_blocks and lstrip_blocks. Jinjava's own options are not used, because they also remove
 * white space before a tag in the middle of a line. {@link TemplateExpression} rewrites expressions. Jinjava ignores
 * the condition ({@code if}) of a {@code for} loop, so a separate loop selects the elements. The {@code else} of a
 * {@code for} loop and deeply nested tags are refused.
 */
final class TemplateSource {
    private static final Pattern LOOP = Pattern.compile("for\\s+(\\w+(?:\\s*,\\s*\\w+)?)\\s+in\\s(.*)", Pattern.DOTALL);

    private static final int MAX_NESTING = 50;

    private final String template;
    private final StringBuilder rewritten = new StringBuilder();
    private final Deque<String> open = new ArrayDeque<>();
    private int at;
    private int filteredLoops;
    private Cut cut = Cut.NOTHING;
    private boolean lineStarting;

    /** The characters that a tag removes from the beginning of the text after the tag. */
    private enum Cut { NOTHING, NEWLINE, SPACE }

    private TemplateSource(String template) {
        this.template = template;
    }

    /** Returns the rewritten template. Jinjava must render it without removing white space. */
    static String rewrite(String template) {
        String unix = template.replace("\r\n", "\n").replace('\r', '\n');
        TemplateSource source = new TemplateSource(unix.endsWith("\n") ? unix.substring(0, unix.length() - 1) : unix);
        source.rewrite();
        return source.rewritten.toString();
    }

    private void rewrite() {
        for (int tag = nextTag(at); tag >= 0; tag = nextTag(at)) {
            text(tag);
            tag();
        }
        text(template.length());
    }

    private int nextTag(int from) {
        for (int i = template.indexOf('{', from); i >= 0
                && i + 1 < template.length(); i = template.indexOf('{', i + 1)) {
            if ("{%#".indexOf(template.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return -1;
    }

    /**
     * Appends the text up to index {@code end}. The tags before and after this text determine which white space is
     * removed from it.
     */
    private void text(int end) {
        int begin = at;
        while (begin < end && (cut == Cut.SPACE && PythonStrings.isSpace(template.charAt(begin))
                || cut == Cut.NEWLINE && begin == at && template.charAt(begin) == '\n')) {
            begin++;
        }
        lineStarting = begin == 0 || begin > at && template.charAt(begin - 1) == '\n';
        String text = template.substring(begin, end);
        if (end < template.length()) {
            text = cutBefore(text, template.charAt(end + 1), end + 2 < template.length()
                    ? template.charAt(end + 2) : ' ');
        }
        rewritten.append(text);
        at = end;
    }

    private String cutBefore(String text, char kind, char sign) {
        int end = text.length();
        while (end > 0 && PythonStrings.isSpace(text.charAt(end - 1))
                && (sign == '-' || text.charAt(end - 1) != '\n')) {
            end--;
        }
        boolean wholeLine = end == 0 ? lineStarting : text.charAt(end - 1) == '\n';
        return sign == '-' || kind != '{' && sign != '+' && wholeLine ? text.substring(0, end) : text;
    }

    private void tag() {
        char kind = template.charAt(at + 1);
        int begin = at + 2;
        int end = kind == '#' ? template.indexOf("#}", begin) : TemplateExpression.end(
                template, begin, kind == '{' ? "}}" : "%}");
        if (end < 0) {
            throw new InputException("the tag that starts with "
                    + template.substring(at, Math.min(at + 30, template.length())).lines().findFirst().orElse("")
                    + " does not end");
        }
        at = end + 2;
        boolean signedBegin = end > begin && "-+".indexOf(template.charAt(begin)) >= 0;
        boolean signedEnd = end > begin + 1 && "-+".indexOf(template.charAt(end - 1)) >= 0;
        cut = signedEnd ? template.charAt(end - 1) == '-' ? Cut.SPACE : Cut.NOTHING : kind == '{'
                ? Cut.NOTHING : Cut.NEWLINE;
        String body = template.substring(signedBegin ? begin + 1 : begin, signedEnd ? end - 1 : end).strip();
        if (kind != '#') {
            TemplateExpression.requireSize(body);
        }
        if (kind == '{') {
            rewritten.append("{{ ").append(TemplateExpression.rewrite(body)).append(" }}");
        } else if (body.equals("raw") && kind == '%') {
            raw();
        } else if (kind == '%') {
            statement(body);
        }
    }

    private void raw() {
        cut = cut == Cut.NEWLINE ? Cut.NOTHING : cut;
        for (int tag = nextTag(at); tag >= 0; tag = nextTag(tag + 1)) {
            int end = template.indexOf("%}", tag);
            if (end >= 0 && template.substring(tag, end + 2).matches("\\{%[-+]?\\s*endraw\\s*[-+]?%}")) {
                rewritten.append("{% raw %}");
                text(tag);
                rewritten.append("{% endraw %}");
                char sign = template.charAt(end - 1);
                cut = sign == '-' ? Cut.SPACE : sign == '+' ? Cut.NOTHING : Cut.NEWLINE;
                at = end + 2;
                return;
            }
        }
        throw new InputException("raw has no endraw");
    }

    private void statement(String body) {
        String word = body.split("\\W", 2)[0];
        switch (word) {
            case "for", "if", "macro", "call", "filter" -> {
                open.push(word);
                require(open.size() <= MAX_NESTING, "tags nest deeper than " + MAX_NESTING + " levels");
            }
            case "endfor", "endif", "endmacro", "endcall", "endfilter" -> open.poll();
            case "else" -> require(!"for".equals(open.peek()), "a for loop's else is not supported");
            default -> { }
        }
        if (word.equals("for") && TemplateExpression.skeleton(body).matches("(?s).*\\bif\\b.*")) {
            filteredLoop(body);
            return;
        }
        String rest = word.equals("macro") ? body : word + TemplateExpression.rewrite(body.substring(word.length()));
        rewritten.append("{% ").append(rest).append(" %}");
    }

    /**
     * Writes a loop that collects the matching elements, then a loop over the collected elements. The variable {@code
     * loop} therefore counts only matching elements.
     */
    private void filteredLoop(String body) {
        int filter = TemplateExpression.end(body, 0, " if ");
        Matcher head = LOOP.matcher(filter < 0 ? body : body.substring(0, filter));
        require(filter > 0 && head.matches(),
                "a for loop with an if is supported only as 'for NAMES in LIST if CONDITION': " + body);
        String names = head.group(1);
        String kept = "__kept" + filteredLoops++ + "__";
        rewritten.append("{%% set %s = [] %%}{%% for %s in %s %%}{%% if %s %%}{%% do %s.append(%s) %%}{%% endif %%}"
                .formatted(kept, names, TemplateExpression.rewrite(head.group(2)),
                        TemplateExpression.rewrite(body.substring(filter + " if ".length())), kept,
                        names.contains(",") ? "[" + names + "]" : names));
        rewritten.append("{%% endfor %%}{%% for %s in %s %%}".formatted(names, kept));
    }

    private static void require(boolean holds, String complaint) {
        if (!holds) {
            throw new InputException(complaint);
        }
    }
}
