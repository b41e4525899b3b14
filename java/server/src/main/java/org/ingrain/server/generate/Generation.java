package org.ingrain.server.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.ingrain.engine.SharedGenerator;
import org.ingrain.sample.Completion;
import org.ingrain.sample.GeneratedToken;
import org.ingrain.sample.GenerationListener;
import org.ingrain.sample.Request;
import org.ingrain.server.api.ApiException;

/**
 * The samples of one HTTP request. The generator's thread adds events, and the request's thread takes them.
 * {@link #close} cancels the unfinished samples. The queue needs no size limit, because max_tokens limits the number of
 * events.
 */
public final class Generation implements AutoCloseable {
    private final List<Request> requests;
    private final boolean stream;
    private final Metrics metrics;
    private final long limit;
    private final long start = System.nanoTime();
    private final LinkedBlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private final List<SharedGenerator.Job> jobs = new ArrayList<>();
    private final List<Runnable> closing = new ArrayList<>();

    /** An event of the generator. */
    public sealed interface Event {
    }

    /**
     * New text of a choice.
     *
     * @param choice index of the choice
     * @param text   the text; empty if the tokens decode to no text, or only to a part of a character or of a stop
     *               string
     * @param tokens the tokens that this text completes
     */
    public record Text(int choice, String text, List<GeneratedToken> tokens) implements Event {
    }

    /**
     * The end of a choice.
     *
     * @param text   the part of the choice's text that no {@link Text} event contained; empty if the text is not
     *               streamed
     * @param tokens the tokens that no {@link Text} event contained; empty if the text is not streamed
     */
    public record Done(int choice, String text, List<GeneratedToken> tokens, Completion completion) implements Event {
    }

    private record Failed(ApiException cause) implements Event {
    }

    /**
     * @param stream whether {@link Text} events report the text while it is generated
     * @param limit  maximum time from the start of the request to its end, in nanoseconds
     */
    Generation(List<Request> requests, boolean stream, Metrics metrics, long limit) {
        this.requests = requests;
        this.stream = stream;
        this.metrics = metrics;
        this.limit = limit;
    }

    void submit(SharedGenerator generator) {
        int choice = 0;
        for (Request request : requests) {
            jobs.add(generator.submit(request, new Choices(request, choice)));
            choice += request.samples();
        }
    }

    void onClose(Runnable action) {
        closing.add(action);
    }

    /** Number of choices. */
    public int choices() {
        return requests.stream().mapToInt(Request::samples).sum();
    }

    /** The generator's request to which a choice belongs. */
    public Request request(int choice) {
        return requests.get(choice / requests.getFirst().samples());
    }

    /** The total number of tokens in the prompts. */
    public int promptTokens() {
        return requests.stream().mapToInt(request -> request.prompt().length).sum();
    }

    /** Ends the request with an error, which {@link #next} throws. */
    public void fail(ApiException cause) {
        events.add(new Failed(cause));
    }

    /** Ends the request after its client has closed the connection. */
    public void abandon() {
        jobs.forEach(SharedGenerator.Job::cancel);
        fail(ApiException.unavailable("the client is gone"));
    }

    /** Waits for an event. */
    public Event next() {
        try {
            Event event = events.poll(limit == Long.MAX_VALUE ? limit : start + limit - System.nanoTime(),
                    TimeUnit.NANOSECONDS);
            if (event == null) {
                throw ApiException.timeout("the request took longer than " + limit / 1_000_000_000
                        + " s, the server's time limit");
            }
            return checked(event);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ApiException.unavailable("the server is shutting down");
        }
    }

    /** Returns the next event without waiting; null if there is none yet. */
    public Event poll() {
        return checked(events.poll());
    }

    private static Event checked(Event event) {
        if (event instanceof Failed failed) {
            throw failed.cause;
        }
        return event;
    }

    @Override
    public void close() {
        jobs.forEach(SharedGenerator.Job::cancel);
        closing.forEach(Runnable::run);
    }

    /** Receives the output of one of the generator's requests, on the generator's thread. */
    private final class Choices implements GenerationListener {
        private final Request request;
        private final int first;
        private final Metrics.Sample[] samples;
        private final StringBuilder[] texts;
        private final List<List<GeneratedToken>> tokens = new ArrayList<>();
        private final int[] counts;

        Choices(Request request, int first) {
            this.request = request;
            this.first = first;
            counts = new int[request.samples()];
            samples = new Metrics.Sample[request.samples()];
            texts = new StringBuilder[request.samples()];
            for (int i = 0; i < samples.length; i++) {
                samples[i] = metrics.sample(request, start);
                texts[i] = new StringBuilder();
                tokens.add(new ArrayList<>());
            }
        }

        @Override
        public void token(int sample, GeneratedToken token) {
            samples[sample].token();
            counts[sample]++;
            if (stream) {
                if (!tokens.get(sample).isEmpty()) {   // the previous token completed no text
                    report(sample);
                }
                tokens.get(sample).add(token);
            }
        }

        /**
         * Does not report the text of the token that reaches the maximum length. {@link #finished} reports it together
         * with the end of the choice.
         */
        @Override
        public void text(int sample, String piece) {
            if (!stream) {
                return;
            }
            texts[sample].append(piece);
            if (counts[sample] < request.params().maxTokens()) {
                report(sample);
            }
        }

        private void report(int sample) {
            events.add(new Text(first + sample, taken(sample), takenTokens(sample)));
        }

        @Override
        public void finished(Completion completion) {
            int sample = completion.sample();
            samples[sample].finished(completion);
            events.add(new Done(first + sample, taken(sample), takenTokens(sample), completion));
        }

        @Override
        public void failed(int sample, RuntimeException cause) {
            samples[sample].failed();
            fail(ApiException.failed(cause.getMessage()));
        }

        private String taken(int sample) {
            String text = texts[sample].toString();
            texts[sample].setLength(0);
            return text;
        }

        private List<GeneratedToken> takenTokens(int sample) {
            List<GeneratedToken> taken = tokens.get(sample);
            tokens.set(sample, new ArrayList<>());
            return taken;
        }
    }
}
