package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import org.ingrain.sample.Generator;
import org.ingrain.sample.Request;
import org.ingrain.sample.SamplingParams;
import org.junit.jupiter.api.Test;

/** Measures the Java heap memory that the generator's thread allocates per decode step. */
class AllocationTest {
    private static final int WARM = 60;
    private static final int STEPS = 100;
    /** The bound has a margin, because the JIT compiler does not always remove short-lived objects. */
    private static final long BYTES_OF_A_STEP = 20_000;
    private static final long BYTES_OF_A_TOKEN = 1_000;

    @Test
    void aDecodeStepAllocatesLittle() {
        Path model = Path.of(System.getProperty("ingrain.root"), "models", "lab");
        try (Engine engine = Engine.open(ModelOptions.of(model).withThreads(1))) {
            for (int samples : new int[] {1, 16}) {
                long bytes = bytesOfAStep(engine, samples);
                System.out.println(samples + " samples: " + bytes + " bytes a step");
                assertTrue(bytes < BYTES_OF_A_STEP + samples * BYTES_OF_A_TOKEN, samples + " samples: " + bytes);
            }
        }
    }

    private static long bytesOfAStep(Engine engine, int samples) {
        Generator generator = engine.generator(engine.defaults());
        generator.submit(new Request(new int[] {1, 2, 3}, samples, 0, SamplingParams.sampled(1, 1, 200, 1)
                .withIgnoreEos(true), -1, false), completion -> { });
        for (int i = 0; i < WARM; i++) {
            generator.step();
        }
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        long start = System.nanoTime();
        for (int i = 0; i < STEPS; i++) {
            generator.step();
        }
        long bytes = (threads.getCurrentThreadAllocatedBytes() - before) / STEPS;
        System.out.println((System.nanoTime() - start) / 1000 / STEPS + " us a step");
        while (generator.step()) {
            continue;
        }
        return bytes;
    }
}
