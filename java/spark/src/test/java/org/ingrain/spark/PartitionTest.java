package org.ingrain.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.SparkConf;
import org.ingrain.distill.engine.Cluster;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.engine.ModelOptions;
import org.ingrain.engine.ParallelConfig;
import org.ingrain.files.Json;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;

class PartitionTest {
    private static final ModelState ADAPTER = new ModelState.Adapter(Path.of("/runs/adapter"));

    private static TextRequest request(String prompt, int sample, ModelState weights) {
        SamplingParams params = SamplingParams.sampled(1.0 / 3, 0.9, 32, 1L << 60).withStop(List.of("\n\n"));
        return new TextRequest(new SampleKey(prompt, Integer.toString(sample)), List.of(Message.user(prompt)), params,
                sample, weights);
    }

    @Test
    void arrivesAsItWasSent() {
        String lone = "a lone surrogate \ud800, a tab \t and \u0000";
        List<TextRequest> sent = List.of(request(lone, 2, ADAPTER), request(lone, 3, ADAPTER),
                request(lone, 5, ADAPTER), request("q", 6, ADAPTER), new TextRequest(new SampleKey("b", "0"),
                List.of(Message.user("b")), SamplingParams.greedy(32).withMinTokens(2).withLogitBias(Map.of(3, -0.1f)),
                0, ADAPTER));
        Partition partition = Partition.of(sent, folder -> new TreeMap<>(Map.of("adapter_config.json", "hash")));
        Partition received = Json.parse(Json.line(partition), Partition.class, "test");
        assertEquals(partition, received);
        assertEquals(List.of(2, 1, 1, 1), received.prompts().stream().map(Partition.Prompt::samples).toList());
        assertEquals(new Partition.Prompt(sent.getFirst().messages(), sent.getFirst().params(), 2, 2),
                received.prompts().getFirst());
        assertEquals("/runs/adapter", received.adapter());
        Partition.Result result = new Partition.Result(List.of(new Partition.Text(lone, 3, Finish.LENGTH)), null, "0/1",
                new TreeMap<>(Map.of("matmul", 2L)));
        assertEquals(result, Json.parse(Json.line(result), Partition.Result.class, "test"));
    }

    @Test
    void everySlotGetsAPartitionBeforeOneIsFull() {
        List<TextRequest> requests = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            requests.add(request("q", i, new ModelState.Base()));
        }
        assertEquals(List.of(3, 3, 3, 1), sizes(Partition.divide(requests, 4, 32)));
        assertEquals(List.of(4, 4, 2), sizes(Partition.divide(requests, 1, 4)));
        assertEquals(10, Partition.divide(requests, 100, 4).size());
        assertEquals(List.of(), Partition.divide(List.of(), 4, 4));
        requests.add(3, request("q", 0, ADAPTER));
        assertEquals(List.of(3, 1, 7), sizes(Partition.divide(requests, 1, 32)));
        assertEquals(requests, Partition.divide(requests, 2, 4).stream().flatMap(List::stream).toList());
    }

    private static List<Integer> sizes(List<List<TextRequest>> partitions) {
        return partitions.stream().map(List::size).toList();
    }

    @Test
    void anExecutorUsesItsOwnGpusAndCores() {
        ModelOptions driver = ModelOptions.of(Path.of("model"));
        Place place = new Place("3", "host", List.of("1", "3"), 6);
        assertEquals(driver.withThreads(6), place.options(driver));
        assertEquals(driver.withThreads(2), place.options(driver.withThreads(2)));
        ModelOptions cuda = driver.withDevice("cuda:0").withParallel(new ParallelConfig(2, 4));
        assertEquals(cuda.withDevice("cuda:1,3").withParallel(new ParallelConfig(2, 0)), place.options(cuda));
        Place none = new Place("3", "host", List.of(), 6);
        assertEquals("device: cuda, expected GPUs for the executor: set spark.executor.resource.gpu.amount",
                assertThrows(InputException.class, () -> none.options(cuda)).getMessage());
    }

    @Test
    void isFoundByNameAndRequiresSparkSubmit() {
        assertEquals(SparkCluster.class, Cluster.named("spark").getClass());
        assertEquals("cluster: 'ray', expected one of [spark]",
                assertThrows(InputException.class, () -> Cluster.named("ray")).getMessage());
        assertEquals("cluster spark: spark.master is not set, expected a start by spark-submit",
                assertThrows(InputException.class, () -> SparkAnswerer.settings(new SparkConf(false))).getMessage());
        assertEquals("other," + EnginePlugin.class.getName(), SparkAnswerer.settings(new SparkConf(false)
                .setMaster("local").set("spark.plugins", "other")).get("spark.plugins"));
    }
}
