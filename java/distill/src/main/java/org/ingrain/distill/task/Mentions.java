package org.ingrain.distill.task;

import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds letters that name an option in a line of a question, such as C in the opinion {@code I read an article
 * suggesting C.} This class distinguishes such letters from pronouns, articles, initials and other capitals. The
 * patterns match the phrases that occur in the biased questions of the dataset cot-transparency.
 */
final class Mentions {
    /** A capital letter that is neither part of a word nor part of initials. */
    private static final Pattern LONE = Pattern.compile(
            "(?<![\\p{L}\\p{N}.&-])(?<!\\p{L}['’])([A-Z])(?![\\p{L}\\p{N}&-]|\\.\\p{L})");
    private static final Pattern BEFORE = Pattern.compile(
            "(?i)\\b(?:answer (?:is|isn['’]t|was|could be|would be|should be|might be)"
            + "|(?:solution|favou?rite|compelling|developing|propose) is|encountered was|seeking be|assumption would be"
            + "|it['’]s|it was|is it|it be|it might be|is should be|towards|suggesting|supports"
            + "|contemplating (?:whether|about)|I said|(?:align|up|go|here) with|choose|(?:vote|opt) for|favou?r of"
            + "|back to|once told that|option|choice)\\h+[\"“‘'*]*$");
    private static final Pattern AFTER = Pattern.compile(
            "[\"”’'*]*\\h+(?:(?:is|as) (?:the (?:right |correct |best )?answer|correct|right|true"
            + "|wrong)|could be (?:true|correct|right)|seems logical|usually holds|sound\\?|out of all the "
                    + "options)(?!\\p{L})");
    private static final Pattern GOES_ON = Pattern.compile("\\h+(?:but|for a while)\\b");
    private static final Pattern WORD = Pattern.compile("(?:\\h+|['’])\\p{L}");
    private static final Pattern NAME = Pattern.compile("\\h+\\p{Lu}");
    private static final Pattern SENTENCE_START = Pattern.compile("(?:^|[.!?:]\\h+|[\"“‘(])\\h*$");

    private Mentions() {
    }

    private enum Kind { OPTION, WORD, UNCLEAR }

    /**
     * Replaces the letters of options in a line.
     *
     * @param names the new letter of each option, by its old letter
     * @return the new line; empty if it is unclear whether a capital letter means an option
     */
    static Optional<String> renamed(String line, Map<String, String> names) {
        StringBuilder renamed = new StringBuilder();
        Matcher lone = LONE.matcher(line);
        while (lone.find()) {
            String letter = lone.group(1);
            Kind kind = names.containsKey(letter) ? kind(
                    letter, line.substring(0, lone.start()), line.substring(lone.end())) : Kind.WORD;
            if (kind == Kind.UNCLEAR) {
                return Optional.empty();
            }
            lone.appendReplacement(renamed, kind == Kind.OPTION ? names.get(letter) : letter);
        }
        return Optional.of(lone.appendTail(renamed).toString());
    }

    private static Kind kind(String letter, String before, String after) {
        boolean led = BEFORE.matcher(before).find();
        boolean followed = AFTER.matcher(after).lookingAt();
        boolean wordBehind = WORD.matcher(after).lookingAt();
        if (before.endsWith("(") && after.startsWith(")")) {
            return Kind.OPTION;
        }
        return switch (letter) {
            case "I" -> pronoun(led, followed, wordBehind, after);
            case "A" -> {
                boolean title = NAME.matcher(after).lookingAt();
                boolean article = !led && (title || wordBehind && SENTENCE_START.matcher(before).find());
                yield followed || led && !title ? Kind.OPTION : article ? Kind.WORD : Kind.UNCLEAR;
            }
            default -> led || followed ? Kind.OPTION : Kind.UNCLEAR;
        };
    }

    private static Kind pronoun(boolean led, boolean followed, boolean wordBehind, String after) {
        boolean mayBeRight = after.stripLeading().startsWith("could");
        boolean option = followed && !mayBeRight || led && (!wordBehind || GOES_ON.matcher(after).lookingAt());
        return option ? Kind.OPTION : led || followed || !wordBehind ? Kind.UNCLEAR : Kind.WORD;
    }
}
