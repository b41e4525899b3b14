package org.ingrain.cli;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * Handles SIGTERM and SIGINT while a server runs. The first signal ends {@link #await}. Each later signal interrupts
 * the thread that created this object. Closing this object restores the previous handlers.
 */
final class StopSignals implements AutoCloseable {
    private static final List<String> NAMES = List.of("TERM", "INT");

    private final CountDownLatch first = new CountDownLatch(1);
    private final List<SignalHandler> before;

    StopSignals() {
        Thread owner = Thread.currentThread();
        SignalHandler handler = signal -> {
            if (first.getCount() == 0) {
                owner.interrupt();
            }
            first.countDown();
        };
        before = NAMES.stream().map(name -> Signal.handle(new Signal(name), handler)).toList();
    }

    /** Waits for the first signal. */
    void await() throws InterruptedException {
        first.await();
    }

    @Override
    public void close() {
        for (int i = 0; i < before.size(); i++) {
            Signal.handle(new Signal(NAMES.get(i)), before.get(i));
        }
    }
}
