package org.ingrain.server.answer;

import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;
import org.ingrain.sample.Completion;
import org.ingrain.server.api.ApiException;
import org.ingrain.server.api.SamplingFields;
import org.ingrain.server.generate.Generation;
import org.ingrain.server.generate.Generation.Done;
import org.ingrain.server.generate.Generation.Event;
import org.ingrain.server.generate.Generation.Text;
import org.ingrain.server.http.EventStream;
import org.ingrain.server.http.Exchange;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Writes the answer to a request, either as one JSON object or as a stream. */
public final class Answer {
    private final ChoiceFormat format;
    private final SamplingFields asked;
    private final Generation generation;
    private final String model;
    private final String fingerprint;
    private final String id;
    private final long created = System.currentTimeMillis() / 1000;
    private final boolean[] begun;
    private final int[] generated;
    private int unfinished;

    /**
     * @param model       name of the model in the answer
     * @param fingerprint value of the field system_fingerprint
     */
    public Answer(ChoiceFormat format, SamplingFields asked, Generation generation, String model, String fingerprint) {
        this.format = format;
        this.asked = asked;
        this.generation = generation;
        this.model = model;
        this.fingerprint = fingerprint;
        byte[] random = new byte[16];
        ThreadLocalRandom.current().nextBytes(random);
        id = format.idPrefix() + HexFormat.of().formatHex(random);
        unfinished = generation.choices();
        begun = new boolean[unfinished];
        generated = new int[unfinished];
    }

    /** Writes the answer. Returns when all choices have been generated and written. */
    public void write(Exchange exchange) {
        if (asked.stream()) {
            stream(exchange);
        } else {
            exchange.json(whole());
        }
    }

    private ObjectNode whole() {
        Completion[] completions = new Completion[unfinished];
        while (unfinished > 0) {
            if (generation.next() instanceof Done done) {
                completions[done.choice()] = done.completion();
                unfinished--;
            }
        }
        ObjectNode node = envelope(format.object());
        int all = 0;
        for (int choice = 0; choice < completions.length; choice++) {
            node.withArray("choices").add(format.whole(choice, completions[choice]));
            all += format.counted(completions[choice]);
        }
        node.set("usage", new Usage(generation.promptTokens(), all).json());
        return node;
    }

    /** Waits for the first event before it sends the HTTP status, so that an early error can still set the status. */
    private void stream(Exchange exchange) {
        Event event = generation.next();
        EventStream out = exchange.events();
        try {
            while (true) {
                for (; event != null; event = generation.poll()) {
                    write(out, event);
                }
                out.flush();
                if (unfinished == 0) {
                    break;
                }
                event = generation.next();
            }
            if (asked.usage()) {
                ObjectNode last = envelope(format.chunkObject());
                last.withArray("choices");
                int all = 0;
                for (int tokens : generated) {
                    all += tokens;
                }
                last.set("usage", new Usage(generation.promptTokens(), all).json());
                out.event(last);
            }
        } catch (ApiException e) {
            out.error(e);
        }
        out.done();
    }

    private void write(EventStream out, Event event) {
        switch (event) {
            case Text text -> {
                begin(out, text.choice());
                generated[text.choice()] += text.tokens().size();
                chunk(out, text.choice(), format.part(text.choice(), text.text(), text.tokens()));
            }
            case Done done -> {
                begin(out, done.choice());
                generated[done.choice()] = format.counted(done.completion());
                unfinished--;
                chunk(out, done.choice(), format.last(done.choice(), done.text(), done.tokens(), done.completion()));
            }
            default -> throw new IllegalStateException("unexpected event " + event);
        }
    }

    private void begin(EventStream out, int choice) {
        if (!begun[choice]) {
            begun[choice] = true;
            ObjectNode first = format.first(choice);
            if (first != null) {
                chunk(out, choice, first);
            }
        }
    }

    private void chunk(EventStream out, int choice, ObjectNode part) {
        ObjectNode chunk = envelope(format.chunkObject());
        chunk.withArray("choices").add(part);
        if (asked.usages()) {
            chunk.set("usage", new Usage(generation.request(choice).prompt().length, generated[choice]).json());
        }
        out.event(chunk);
    }

    private ObjectNode envelope(String object) {
        return JsonMapper.shared().createObjectNode().put("id", id).put("object", object).put("created", created)
                .put("model", model).put("system_fingerprint", fingerprint);
    }
}
