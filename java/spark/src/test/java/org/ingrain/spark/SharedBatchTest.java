package org.ingrain.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.function.Function;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;

class SharedBatchTest {
    private static final ModelState BASE = new ModelState.Base();
    private static final ModelState ADAPTER = new ModelState.Adapter(Path.of("/adapter"));

    /** Finishes one request, in the order of arrival, for each permit of the test. */
    private static final class Fake implements Answerer {
        private final Semaphore permits = new Semaphore(0);
        private final Semaphore begun = new Semaphore(0);
        /** The first key of each call and the keys that joined or were cancelled during the calls. */
        private final List<String> events = Collections.synchronizedList(new ArrayList<>());
        private RuntimeException failure;

        @Override
        public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
            first.forEach(request -> events.add("call " + request.key().id()));
            begun.release();
            Deque<TextRequest> waiting = new ArrayDeque<>(first);
            while (!waiting.isEmpty()) {
                permits.acquireUninterruptibly();
                if (failure != null) {
                    throw failure;
                }
                TextRequest request = waiting.removeFirst();
                Next next = done.apply(new TextCompletion(request.key(), request.messages().getFirst().content(), 1,
                        Finish.STOP));
                next.requests().forEach(more -> events.add("join " + more.key().id()));
                waiting.addAll(next.requests());
                next.cancelled().forEach(key -> events.add("cancel " + key.id() + " " + key.path()));
                waiting.removeIf(other -> next.cancelled().contains(other.key()));
            }
        }

        @Override
        public void close() {
            events.add("close");
        }
    }

    private static List<TextRequest> requests(String id, ModelState weights, String... texts) {
        List<TextRequest> requests = new ArrayList<>();
        for (String text : texts) {
            requests.add(new TextRequest(new SampleKey(id, Integer.toString(requests.size())),
                    List.of(Message.user(text)), SamplingParams.greedy(4), 0, weights));
        }
        return requests;
    }

    private static CompletableFuture<List<String>> ask(SharedBatch batch, List<TextRequest> requests) {
        return CompletableFuture.supplyAsync(() -> batch.answer(requests, () -> false).texts().stream()
                .map(TextCompletion::text).toList(), task -> Thread.ofPlatform().start(task));
    }

    /** Waits until a call of the batch has taken the requests of an earlier {@link #ask}. */
    private static void awaitWaiting(SharedBatch batch, int groups) throws InterruptedException {
        while (batch.waiting() < groups) {
            Thread.sleep(1);
        }
    }

    @Test
    void laterRequestsJoinAndOtherWeightsWait() throws Exception {
        Fake fake = new Fake();
        try (SharedBatch batch = new SharedBatch(() -> fake)) {
            var a = ask(batch, requests("a", BASE, "1", "2"));
            fake.begun.acquire();
            var b = ask(batch, requests("b", ADAPTER, "3"));
            awaitWaiting(batch, 1);
            var c = ask(batch, requests("c", BASE, "4"));
            awaitWaiting(batch, 2);
            fake.permits.release(4);
            assertEquals(List.of("1", "2"), a.get());
            assertEquals(List.of("3"), b.get());
            assertEquals(List.of("4"), c.get());
        }
        assertEquals(List.of("call a", "call a", "join c", "call b", "close"), fake.events);
    }

    @Test
    void aKilledTaskCancelsItsRequests() throws Exception {
        Fake fake = new Fake();
        try (SharedBatch batch = new SharedBatch(() -> fake)) {
            var a = ask(batch, requests("a", BASE, "1", "2"));
            fake.begun.acquire();
            assertThrows(CancellationException.class, () -> batch.answer(requests("k", BASE, "x"), () -> true));
            var b = CompletableFuture.supplyAsync(() -> {
                return assertThrows(CancellationException.class,
                        () -> batch.answer(requests("b", BASE, "3", "4"), () -> fake.events.contains("join b")));
            });
            awaitWaiting(batch, 2);
            fake.permits.release(1);
            b.get();
            fake.permits.release(3);
            assertEquals(List.of("1", "2"), a.get());
        }
        assertEquals(List.of("call a", "call a", "join b", "join b", "cancel b 0", "cancel b 1", "close"),
                fake.events);
    }

    @Test
    void everyWaitingThreadGetsAFailure() throws Exception {
        Fake fake = new Fake();
        try (SharedBatch batch = new SharedBatch(() -> fake)) {
            var a = ask(batch, requests("a", BASE, "1"));
            fake.begun.acquire();
            var b = ask(batch, requests("b", ADAPTER, "2"));
            awaitWaiting(batch, 1);
            fake.failure = new IllegalStateException("broken");
            fake.permits.release();
            for (var answer : List.of(a, b)) {
                Throwable thrown = assertThrows(Exception.class, answer::get).getCause();
                assertEquals("the engine failed: java.lang.IllegalStateException: broken", thrown.getMessage());
            }
            assertTrue(batch.hasEnded());
            assertThrows(IllegalStateException.class, () -> batch.answer(requests("c", BASE, "3"), () -> false));
        }
    }

    @Test
    void anEngineThatCannotBeOpenedIsAnErrorOfTheInput() {
        try (SharedBatch batch = new SharedBatch(() -> {
            throw new InputException("no such model");
        })) {
            assertEquals("no such model", assertThrows(InputException.class,
                    () -> batch.answer(requests("a", BASE, "1"), () -> false)).getMessage());
        }
    }
}
