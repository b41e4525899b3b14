package org.ingrain.tokenizer;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * Checks a tokenizer.json before the tokenizers library reads it. The library aborts the process for some invalid files
 * and for some regular expressions. The check refuses a file if it finds a known fault. For all other files, the check
 * determines whether the library can safely run in this process.
 */
final class TokenizerCheck {
    private static final int MAX_NESTING = 64;
    /** Maximum number of characters to which normalization may expand one character. */
    private static final int MAX_EXPANSION = 64;
    private static final Map<String, Set<String>> TYPES = Map.of(
            "normalizer", Set.of("BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt",
                    "Precompiled", "Prepend", "Replace", "Sequence", "Strip", "StripAccents"),
            "pre_tokenizer", Set.of("BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "FixedLength",
                    "Metaspace", "Punctuation", "Sequence", "Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit"),
            "post_processor", Set.of("BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence",
                    "TemplateProcessing"));
    private static final Set<String> FLAGS = Set.of("add_prefix_space", "clean_text", "handle_chinese_chars",
            "individual_digits", "invert", "lowercase", "split", "strip_accents", "strip_left", "strip_right",
            "trim_offsets", "use_regex");
    private static final Set<String> TEXTS = Set.of("behavior", "content", "precompiled_charsmap", "prepend",
            "prepend_scheme");
    private static final Set<String> CHARACTERS = Set.of("delimiter", "replacement");

    private final String where;
    private boolean trusted = true;
    private double expansion = 1;

    private TokenizerCheck(String where) {
        this.where = where;
    }

    /**
     * Checks a file.
     *
     * @return true if the library can read the file and encode with it in this process. False if a regular expression
     *         or another setting is too complex to check, so that reading or encoding might abort the process or never
     *         finish
     * @throws InputException if the file is invalid, or if its normalizer can expand short texts to very long texts
     */
    static boolean check(JsonFields fields) {
        TokenizerCheck check = new TokenizerCheck(fields.where());
        for (String name : fields.names()) {
            if (fields.has(name)) {
                check.values(name, fields.node(name), 1);
            }
        }
        for (String part : TYPES.keySet()) {
            if (fields.has(part)) {
                check.component(part, fields.node(part));
            }
        }
        check.model(fields.object("model"));
        check.trusted &= !fields.has("truncation") && !fields.has("padding");
        return check.trusted;
    }

    /**
     * Refuses values for which the library's JSON reader fails: lone surrogates, deep nesting, and numbers beyond the
     * range of a double.
     */
    private void values(String field, JsonNode value, int depth) {
        require(depth <= MAX_NESTING, field, "nests deeper than " + MAX_NESTING + " levels");
        if (value.isString()) {
            wellFormed(field, value.stringValue());
        } else if (value.isNumber()) {
            require(Double.isFinite(value.doubleValueOpt().orElse(Double.NaN)), field,
                    "has a number that is too large for a double");
        } else if (value.isObject()) {
            value.propertyNames().forEach(name -> wellFormed(field, name));
        }
        for (JsonNode element : value.values()) {
            values(field, element, depth + 1);
        }
    }

    private void wellFormed(String field, String text) {
        require(Texts.wellFormed(text).equals(text), field, "has a lone surrogate in a string");
    }

    private void component(String part, JsonNode component) {
        require(component.isObject(), part, "is " + brief(component) + ", expected an object");
        String type = component.path("type").asString("");
        require(TYPES.get(part).contains(type), part, "has the type '" + type + "', expected one of "
                + TYPES.get(part).stream().sorted().toList());
        for (String name : component.propertyNames()) {
            setting(part + ": " + type, name, component.get(name));
        }
        switch (type) {
            case "Sequence" -> elements(part, component).forEach(element -> component(part, element));
            case "Split", "Replace" -> pattern(part + ": " + type, component);
            case "Precompiled" -> trusted = false;
            case "FixedLength" -> require(component.path("length").asInt(0) > 0, part, "has the length "
                    + brief(component.path("length")) + ", expected 1 or more");
            case "TemplateProcessing" -> template(part, component);
            case "BertProcessing", "RobertaProcessing" -> List.of("sep", "cls").forEach(
                    name -> id(part + ": " + name, component.path(name).path(1)));
            default -> { }
        }
    }

    private void setting(String where, String name, JsonNode value) {
        if (value.isNull()) {
            return;
        }
        boolean right = FLAGS.contains(name) ? value.isBoolean() : TEXTS.contains(name) ? value.isString()
                : !CHARACTERS.contains(name) || value.isString()
                        && value.stringValue().codePointCount(0, value.stringValue().length()) == 1;
        require(right, where, name + " is " + brief(value) + ", expected " + (FLAGS.contains(name) ? "true or false"
                : TEXTS.contains(name) ? "a string" : "one character"));
    }

    private List<JsonNode> elements(String part, JsonNode sequence) {
        String name = part.equals("normalizer") ? "normalizers" : part.equals("pre_tokenizer") ? "pretokenizers"
                : "processors";
        require(sequence.path(name).isArray(), part, "is a Sequence without " + name);
        return sequence.get(name).valueStream().toList();
    }

    private void pattern(String where, JsonNode component) {
        JsonNode pattern = component.path("pattern");
        JsonNode text = pattern.has("String") ? pattern.get("String") : pattern.path("Regex");
        require(pattern.size() == 1 && text.isString() && !text.stringValue().isEmpty(), where, "has the pattern "
                + brief(pattern) + ", expected String or Regex with a text that is not empty");
        boolean replaces = component.path("type").asString("").equals("Replace");
        boolean regex = pattern.has("Regex");
        trusted &= !regex || !replaces && SplitRegex.isKnown(text.stringValue());
        if (replaces) {
            int content = component.path("content").asString("").length();
            expansion *= Math.max(1, regex ? 1 + content : (double) content / text.stringValue().length());
            require(expansion <= MAX_EXPANSION, where, "expands one character to more than " + MAX_EXPANSION
                    + ", together with the other normalizers");
        }
    }

    private void template(String part, JsonNode processor) {
        JsonNode specials = processor.path("special_tokens");
        for (JsonNode special : specials.values()) {
            require(special.path("ids").isArray() && special.get("ids").size() == special.path("tokens").size(), part,
                    "special_tokens has " + brief(special) + ", expected as many ids as tokens");
            special.get("ids").forEach(id -> id(part + ": special_tokens", id));
        }
        for (String name : List.of("single", "pair")) {
            for (JsonNode piece : processor.path(name).values()) {
                if (piece.has("SpecialToken")) {
                    String id = piece.get("SpecialToken").path("id").asString("");
                    require(specials.has(id), part, "special_tokens lacks '" + id + "'");
                } else {
                    String id = piece.path("Sequence").path("id").asString("");
                    require(id.equals("A") || id.equals("B") && name.equals("pair"), part, name + " has the piece "
                            + brief(piece) + ", expected a SpecialToken or the Sequence A");
                }
            }
        }
    }

    private void id(String part, JsonNode id) {
        require(id.isIntegralNumber() && id.canConvertToInt() && id.intValue() >= 0
                && id.intValue() <= Vocabulary.LARGEST, part, "has the id " + brief(id) + ", expected 0 to "
                + Vocabulary.LARGEST);
    }

    private void model(JsonFields model) {
        String type = model.text("type", "BPE");
        require(type.equals("BPE"), "model", "has the type '" + type + "', expected BPE");
        require(!model.has("dropout") || model.number("dropout") == 0, "model", "has dropout, expected none, because "
                + "dropout makes the ids of a text random");
        // The library removes this prefix from the second part of each merge and does not check that the part is long
        // enough.
        trusted &= model.text("continuing_subword_prefix", "").isEmpty();
    }

    private static String brief(JsonNode value) {
        String text = value.toString();
        return text.length() > 60 ? text.substring(0, 60) + "..." : text;
    }

    private void require(boolean holds, String part, String complaint) {
        if (!holds) {
            throw new InputException(where + ": " + part + ": " + complaint);
        }
    }
}
