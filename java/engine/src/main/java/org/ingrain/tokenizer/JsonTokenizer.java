package org.ingrain.tokenizer;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * The tokenizer of a tokenizer.json. Texts are encoded by Hugging Face's tokenizers library, through DJL. Ids are
 * decoded in Java, because DJL has no streaming decoder. The same decoder also decodes whole texts, so streamed and
 * whole texts agree. For some tokenizer files and for very long texts, the library might abort its process or run
 * forever. In these cases the library runs in a child process.
 */
final class JsonTokenizer implements Tokenizer {
    /**
     * Maximum length of a text that is encoded in this process. For longer texts even a regular expression that {@link
     * SplitRegex} accepts can exceed the library's retry limit.
     */
    private static final int MAX_CHARACTERS = 2_000_000;

    private final Optional<LibraryEncoder> library;
    private final EncoderProcess process;
    private final Vocabulary vocabulary;
    private final Detokenizer detokenizer;
    private final Optional<String> bosToken;
    private final Optional<String> eosToken;
    private final OptionalInt bosId;
    private final List<Integer> eosIds;
    private final boolean postProcessorAddsBos;
    private final boolean addsBos;
    private final Map<String, Object> specialTokens;

    /** @param where name of the file, for error messages */
    JsonTokenizer(String where, byte[] json, TokenizerConfig config, SpecialTokens specials) {
        JsonFields fields = JsonFields.parse(where, json);
        vocabulary = vocabulary(fields);
        detokenizer = detokenizer(fields, vocabulary);
        bosId = config.bosToken().map(vocabulary::id)
                .orElse(config.withoutBos() ? OptionalInt.empty() : specials.bosId());
        bosToken = config.bosToken().or(() -> vocabulary.text(bosId));
        eosToken = config.eosToken()
                .or(() -> vocabulary.text(specials.eosIds().stream().mapToInt(Integer::intValue).findFirst()));
        eosIds = specials.eosIds().isEmpty()
                ? config.eosToken().map(vocabulary::id).stream().flatMapToInt(OptionalInt::stream).boxed().toList()
                : specials.eosIds();
        specialTokens = config.specialTokens();
        library = TokenizerCheck.check(fields) ? Optional.of(new LibraryEncoder(where, json)) : Optional.empty();
        process = new EncoderProcess(where, json, Duration.ofSeconds(10));
        int[] prefix = ids("", true);
        postProcessorAddsBos = bosId.isPresent() && prefix.length > 0 && prefix[0] == bosId.getAsInt();
        // In transformers, only the LlamaTokenizer classes apply add_bos_token to the post-processor.
        addsBos = config.tokenizerClass().startsWith("LlamaTokenizer") && bosId.isPresent()
                ? config.addBosToken().orElse(postProcessorAddsBos) : postProcessorAddsBos;
    }

    private static Vocabulary vocabulary(JsonFields fields) {
        JsonFields model = fields.object("model");
        if (!model.node("vocab").isObject()) {
            throw new InputException(model.where() + ": vocab is a list (" + model.text("type", "no type")
                    + "), expected the map of a BPE model");
        }
        Vocabulary vocabulary = new Vocabulary(fields.where());
        JsonFields vocab = model.object("vocab");
        vocab.names().forEach(token -> vocabulary.add(vocab.integer(token), token, false));
        if (fields.has("added_tokens")) {
            for (JsonNode token : fields.node("added_tokens").values()) {
                JsonFields added = fields.within("added_tokens", token);
                vocabulary.add(added.integer("id"), added.text("content"), added.flag("special", false));
            }
        }
        return vocabulary;
    }

    private static Detokenizer detokenizer(JsonFields fields, Vocabulary vocabulary) {
        JsonFields decoder = fields.object("decoder");
        if (decoder.text("type").equals("ByteLevel")) {
            return new ByteLevelDetokenizer(vocabulary);
        }
        // These are the decoders that transformers writes for Llama's SentencePiece vocabularies, with and without a
        // dummy prefix.
        String replace = "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\u2581\"},\"content\":\" \"}";
        String common = "[" + replace + ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}";
        String steps = decoder.has("decoders") ? decoder.node("decoders").toString() : "";
        boolean strips = steps.equals(common + ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]");
        if (!strips && !steps.equals(common + "]")) {
            throw new InputException(decoder.where() + ": is " + decoder.text("type") + " " + steps
                    + ", expected ByteLevel, or Llama 2's Replace, ByteFallback, Fuse and Strip");
        }
        return new SentencePieceDetokenizer(vocabulary, strips);
    }

    @Override
    public int[] encode(String text, boolean addSpecial) {
        int[] ids = ids(text, addSpecial);
        if (!addSpecial || addsBos == postProcessorAddsBos) {
            return ids;
        }
        return addsBos ? IntStream.concat(IntStream.of(bosId.getAsInt()), IntStream.of(ids)).toArray()
                : IntStream.of(ids).skip(1).toArray();
    }

    private int[] ids(String text, boolean addSpecial) {
        String wellFormed = Texts.wellFormed(text);
        return library.isPresent() && text.length() <= MAX_CHARACTERS
                ? library.get().encode(wellFormed, addSpecial) : process.encode(wellFormed, addSpecial);
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
        return bosToken;
    }

    @Override
    public Optional<String> eosToken() {
        return eosToken;
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
        library.ifPresent(LibraryEncoder::close);
        process.close();
    }
}
