package org.ingrain.train.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.ingrain.template.ChatTemplate;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Require;
import org.ingrain.tokenizer.Tokenizer;

/**
 * Encodes rows as token ids and marks the target tokens. The ids of a prompt are the same as in sampling, because
 * training and sampling use {@link ChatTemplate} in the same way. If the ids of the whole text start with the ids of
 * the prompt, the completion consists of the remaining ids. Otherwise a token spans the boundary of prompt and
 * completion, and the completion is encoded separately. An answer ends with an end-of-sequence token; later tokens are
 * not targets.
 */
public final class ExampleEncoder {
    private static final String ASSISTANT = "assistant";

    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final int maxLength;
    private final boolean truncate;

    /**
     * @param maxLength maximum length of a sequence in tokens
     * @param truncate  whether longer sequences are cut at the end; if false, a longer sequence causes an
     *                  InputException
     */
    public ExampleEncoder(Tokenizer tokenizer, ChatTemplate template, int maxLength, boolean truncate) {
        Require.atLeast(2, "maxLength", maxLength);
        this.tokenizer = tokenizer;
        this.template = template;
        this.maxLength = maxLength;
        this.truncate = truncate;
    }

    /**
     * Encodes rows. Returns one list of sequences per row, in the order of the rows. The list of a dropped row is
     * empty.
     */
    public List<List<TrainingSequence>> encode(List<ExampleReader.Row> rows) {
        return rows.stream().map(this::encode).toList();
    }

    /**
     * Encodes one row, usually as one sequence. Some templates render a turn differently if later turns follow. For
     * example, Qwen3's template removes the reasoning of earlier answers. A conversation with such a template is split
     * into several sequences at the turns where the rendering changes. So every answer follows the same prompt as in
     * sampling.
     *
     * <p>If truncation removes all target tokens of a sequence, the sequence is dropped.
     *
     * @throws InputException if the row has no target token or is too long; the message names the row's file and line
     */
    public List<TrainingSequence> encode(ExampleReader.Row row) {
        List<Draft> drafts = switch (row.example()) {
            case TrainingExample.Completion plain -> List.of(completion(plain, row.where()));
            case TrainingExample.Answer answer -> answer(answer, row.where());
            case TrainingExample.Conversation conversation -> conversation(conversation, row.where());
            case TrainingExample.Text text -> List.of(text(text, row.where()));
        };
        return drafts.stream().flatMap(draft -> sequence(draft, row.where()).stream()).toList();
    }

    private Optional<TrainingSequence> sequence(Draft draft, String where) {
        if (draft.ids.length > maxLength && !truncate) {
            throw InputException.field("maxLength", where + ": has " + draft.ids.length
                    + " tokens, expected at most " + maxLength
                    + " (truncate cuts longer rows)");
        }
        int length = Math.min(draft.ids.length, maxLength);
        draft.targets.clear(length, draft.ids.length);
        return draft.targets.isEmpty() ? Optional.empty()
                : Optional.of(new TrainingSequence(Arrays.copyOf(draft.ids, length), draft.targets));
    }

    /** A sequence whose length has not been checked. */
    private record Draft(int[] ids, BitSet targets) {
    }

    private Draft completion(TrainingExample.Completion row, String where) {
        if (row.completion().isEmpty()) {
            throw new InputException(where + ": completion is empty, so no token is a target");
        }
        int[] prompt = tokenizer.encodeBegin(row.prompt());
        if (prompt.length == 0) {
            throw new InputException(
                    where
                    + ": prompt is empty and the tokenizer adds no begin-of-sequence token, so the first token cannot "
                    + "be predicted");
        }
        int[] whole = tokenizer.encodeBegin(row.prompt() + row.completion());
        return draft(ended(continued(prompt, whole, row.completion())), prompt.length);
    }

    private Draft text(TrainingExample.Text row, String where) {
        int[] ids = row.text().isEmpty() ? new int[0] : ended(tokenizer.encodeBegin(row.text()));
        if (ids.length < 2) {
            throw new InputException(where + ": text has " + ids.length + " tokens, expected at least 2");
        }
        return draft(ids, 1);
    }

    private List<Draft> answer(TrainingExample.Answer row, String where) {
        List<Message> all = new ArrayList<>(row.prompt());
        all.addAll(row.completion());
        if (row.completion().stream().noneMatch(message -> message.role().equals(ASSISTANT)
                && !message.content().isEmpty())) {
            throw new InputException(
                    where + ": completion has no assistant message with text, so no token is a target");
        }
        return turns(all, row.prompt().size(), where);
    }

    private List<Draft> conversation(TrainingExample.Conversation row, String where) {
        if (row.messages().stream().noneMatch(message -> message.role().equals(ASSISTANT)
                && !message.content().isEmpty())) {
            throw new InputException(
                    where + ": messages has no assistant message with text, so no token is a target");
        }
        return turns(row.messages(), 0, where);
    }

    /**
     * Encodes a conversation. The targets are the turns of the assistant whose message index is at least {@code first}.
     */
    private List<Draft> turns(List<Message> messages, int first, String where) {
        List<Draft> drafts = new ArrayList<>();
        Stretch stretch = null;
        for (int i = first; i < messages.size(); i++) {
            if (!messages.get(i).role().equals(ASSISTANT)) {
                continue;
            }
            Turn prompt = render(messages.subList(0, i), true);
            Turn turn = render(messages.subList(0, i + 1), false);
            if (!turn.text.startsWith(prompt.text)) {
                throw new InputException(where + ": the chat template renders earlier messages differently once "
                        + "message " + (i + 1) + " follows, so the tokens of that message cannot be determined");
            }
            if (stretch == null || !prompt.text.startsWith(stretch.text)) {
                if (stretch != null) {
                    drafts.add(stretch.draft());
                }
                stretch = new Stretch();
            }
            stretch.add(prompt, turn);
        }
        drafts.add(stretch.draft());
        return drafts;
    }

    /**
     * Consecutive turns that form one sequence. The rendered text of each turn is a prefix of the next turn's prompt.
     */
    private final class Stretch {
        private final BitSet targets = new BitSet();
        private String text = "";
        private int[] ids = {};
        private int answer;
        private int end;

        private void add(Turn prompt, Turn turn) {
            int[] before = ids.length == 0 ? prompt.ids
                    : continued(ids, prompt.ids, prompt.text.substring(text.length()));
            ids = continued(before, turn.ids, turn.text.substring(prompt.text.length()));
            answer = Math.max(before.length, 1);
            end = endOfAnswer(ids, before.length);
            targets.set(answer, Math.max(answer, end));
            text = turn.text;
        }

        private Draft draft() {
            int[] whole = ended(Arrays.copyOf(ids, end));
            targets.set(answer, Math.max(answer, whole.length));
            return new Draft(whole, targets);
        }
    }

    /** Messages rendered by the template, as text and as ids. */
    private record Turn(String text, int[] ids) {
    }

    private Turn render(List<Message> messages, boolean addGenerationPrompt) {
        return new Turn(template.render(messages, addGenerationPrompt),
                template.encode(tokenizer, messages, addGenerationPrompt));
    }

    /**
     * Returns {@code before} followed by the ids of {@code rest}. If {@code whole} starts with {@code before}, returns
     * {@code whole}; otherwise encodes {@code rest} separately.
     */
    private int[] continued(int[] before, int[] whole, String rest) {
        if (whole.length >= before.length && Arrays.equals(before, 0, before.length, whole, 0, before.length)) {
            return whole;
        }
        return IntStream.concat(IntStream.of(before), IntStream.of(alone(rest))).toArray();
    }

    // SentencePiece would add a space at the beginning of the text, but it adds none after a line feed. So the text is
    // encoded after a line feed, and the ids of the line feed are removed.
    private int[] alone(String rest) {
        int[] lineFeed = tokenizer.encode("\n", false);
        int[] behind = tokenizer.encode("\n" + rest, false);
        int n = lineFeed.length;
        return behind.length >= n && Arrays.equals(lineFeed, 0, n, behind, 0, n)
                ? Arrays.copyOfRange(behind, n, behind.length)
                : tokenizer.encode(rest, false);
    }

    /**
     * The index after the first end-of-sequence token at or after {@code begin}; the number of ids if there is no such
     * token.
     */
    private int endOfAnswer(int[] ids, int begin) {
        for (int i = begin; i < ids.length; i++) {
            if (tokenizer.eosIds().contains(ids[i])) {
                return i + 1;
            }
        }
        return ids.length;
    }

    /**
     * Appends an end-of-sequence token, unless the last token is already such a token, or the tokenizer has no such
     * token. The appended token is the tokenizer's eos_token if the list of end-of-sequence ids contains it, otherwise
     * the first id of the list.
     */
    private int[] ended(int[] ids) {
        List<Integer> eos = tokenizer.eosIds();
        if (eos.isEmpty() || ids.length > 0 && eos.contains(ids[ids.length - 1])) {
            return ids;
        }
        int[] ended = Arrays.copyOf(ids, ids.length + 1);
        int own = tokenizer.eosToken().map(tokenizer::tokenId).orElse(OptionalInt.empty()).orElse(-1);
        ended[ids.length] = eos.contains(own) ? own : eos.getFirst();
        return ended;
    }

    private static Draft draft(int[] ids, int firstTarget) {
        BitSet targets = new BitSet();
        targets.set(firstTarget, ids.length);
        return new Draft(ids, targets);
    }
}
