package org.ingrain.tokenizer;

import ai.djl.sentencepiece.SpTokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ingrain.tensor.InputException;

/**
 * The tokenizer of a tokenizer.model. It behaves like transformers' LlamaTokenizer. Texts are encoded by SentencePiece,
 * through DJL. Ids are decoded in Java, because DJL's decoder corrupts characters beyond the BMP. BOS is prepended
 * unless {@code add_bos_token} is false. The text is split at special tokens, and SentencePiece encodes the parts
 * separately. If {@code legacy} in tokenizer_config.json is true or missing, a space is prepended to every part. If
 * {@code legacy} is false, a space is prepended only to the first part. If {@code legacy} and {@code add_prefix_space}
 * are false, no space is prepended.
 */
final class SentencePieceTokenizer implements Tokenizer {
    private static final Pattern WORD = Pattern.compile("\\w", Pattern.UNICODE_CHARACTER_CLASS);

    private final SpTokenizer encoder;
    private final SpTokenizer withoutPrefix;
    private final Vocabulary vocabulary;
    private final Map<String, TokenizerConfig.AddedToken> added = new HashMap<>();
    private final Pattern special;
    private final Detokenizer detokenizer;
    private final OptionalInt bosId;
    private final OptionalInt ownEosId;
    private final List<Integer> eosIds;
    private final boolean addsBos;
    private final Map<String, Object> specialTokens;

    SentencePieceTokenizer(Path file, TokenizerConfig config, SpecialTokens specials) {
        SentencePieceModel model = SentencePieceModel.read(file);
        vocabulary = new Vocabulary(file.toString());
        addPieces(model, config);
        special = Pattern.compile(added.keySet().stream().sorted(Comparator.comparingInt(String::length).reversed())
                .map(Pattern::quote).collect(Collectors.joining("|")));
        detokenizer = new SentencePieceDetokenizer(vocabulary, config.addPrefixSpace());
        bosId = config.bosToken().map(vocabulary::id).orElse(optional(model.bosId()));
        ownEosId = config.eosToken().map(vocabulary::id).orElse(optional(model.eosId()));
        eosIds = specials.eosIds().isEmpty() ? ownEosId.stream().boxed().toList() : specials.eosIds();
        addsBos = bosId.isPresent() && config.addBosToken().orElse(true);
        specialTokens = config.specialTokens();
        DjlSettings.apply();
        SpTokenizer plain = config.legacy() ? null : encoder(file, model.withoutDummyPrefix());
        encoder = config.addPrefixSpace() ? encoder(file, model.bytes()) : plain;
        withoutPrefix = config.legacy() ? encoder : plain;
    }

    private static SpTokenizer encoder(Path file, byte[] model) {
        try {
            return new SpTokenizer(model);
        } catch (RuntimeException refused) {
            throw new InputException(file + ": not a SentencePiece model: " + refused.getMessage(), refused);
        }
    }

    private void addPieces(SentencePieceModel model, TokenizerConfig config) {
        for (SentencePieceModel.Piece piece : model.pieces()) {
            int id = vocabulary.size();
            boolean isSpecial = piece.kind() == SentencePieceModel.Kind.CONTROL
                    || piece.kind() == SentencePieceModel.Kind.UNKNOWN;
            vocabulary.add(id, piece.text(), isSpecial);
            if (isSpecial) {
                added.put(piece.text(), TokenizerConfig.AddedToken.of(id, piece.text(), true));
            }
        }
        for (TokenizerConfig.AddedToken token : config.addedTokens()) {
            vocabulary.add(token.id(), token.content(), token.special());
            added.put(token.content(), token);
        }
    }

    private static OptionalInt optional(int id) {
        return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
    }

    @Override
    public int[] encode(String text, boolean addSpecial) {
        List<int[]> parts = new ArrayList<>();
        if (addSpecial && addsBos) {
            parts.add(new int[] {bosId.getAsInt()});
        }
        String whole = Texts.wellFormed(text);
        Matcher matcher = special.matcher(whole);
        int begin = 0;
        boolean strip = false;
        while (matcher.find()) {
            TokenizerConfig.AddedToken token = added.get(matcher.group());
            if (token.singleWord() && insideWord(whole, matcher.start(), matcher.end())) {
                continue;
            }
            String part = strip ? whole.substring(begin, matcher.start())
                    .stripLeading() : whole.substring(begin, matcher.start());
            parts.add(encodePart(token.lstrip() ? part.stripTrailing() : part, begin == 0));
            parts.add(new int[] {token.id()});
            begin = matcher.end();
            strip = token.rstrip();
        }
        String rest = whole.substring(begin);
        parts.add(encodePart(strip ? rest.stripLeading() : rest, begin == 0));
        return parts.stream().flatMapToInt(IntStream::of).toArray();
    }

    /**
     * Whether the character directly before or directly after a range of the text is part of a word. The tokenizers
     * library has the same definition of a word character.
     */
    private static boolean insideWord(String text, int start, int end) {
        return start > 0 && WORD.matcher(Character.toString(text.codePointBefore(start))).matches()
                || end < text.length() && WORD.matcher(Character.toString(text.codePointAt(end))).matches();
    }

    private int[] encodePart(String part, boolean first) {
        return part.isEmpty() ? new int[0] : (first ? encoder : withoutPrefix).getProcessor().encode(part);
    }

    @Override
    public StreamingDecoder streamingDecoder(boolean skipSpecial) {
        return detokenizer.start(skipSpecial);
    }

    @Override
    public int vocabSize() {
        return vocabulary.size();
    }

    @Override
    public OptionalInt bosId() {
        return bosId;
    }

    @Override
    public List<Integer> eosIds() {
        return eosIds;
    }

    @Override
    public OptionalInt tokenId(String token) {
        return vocabulary.id(token);
    }

    @Override
    public byte[] tokenBytes(int id) {
        return detokenizer.bytes(id);
    }

    @Override
    public Optional<String> bosToken() {
        return vocabulary.text(bosId);
    }

    @Override
    public Optional<String> eosToken() {
        return vocabulary.text(ownEosId);
    }

    @Override
    public Map<String, Object> specialTokens() {
        return specialTokens;
    }

    @Override
    public boolean addsBos() {
        return addsBos;
    }

    @Override
    public void close() {
        encoder.close();
        if (withoutPrefix != encoder) {
            withoutPrefix.close();
        }
    }
}
