package org.ingrain.spark;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;

/**
 * The requests of one Spark task, sent as JSON. A prompt is sent once for its consecutive samples. All requests use the
 * same weights.
 *
 * @param prompts the prompts with their samples
 * @param adapter absolute path of the adapter's folder, null for the base model
 * @param files   hashes of the adapter's files by name; empty for the base model
 */
record Partition(List<Prompt> prompts, String adapter, SortedMap<String, String> files) {
    Partition {
        prompts = List.copyOf(prompts);
        files = new TreeMap<>(files);
    }

    /** Consecutive samples of one prompt. */
    record Prompt(List<Message> messages, SamplingParams params, int firstSample, int samples) {
    }

    /**
     * The answer to a partition.
     *
     * @param texts     the texts in the order of the requests; empty if the partition was refused
     * @param refusal   why the executor cannot answer, an error of the user's input; else null
     * @param engine    identifies the engine that answered
     * @param fallbacks the engine's calls of fallback kernels so far
     */
    record Result(List<Text> texts, String refusal, String engine, SortedMap<String, Long> fallbacks) {
        static Result refused(String refusal) {
            return new Result(List.of(), refusal, "", new TreeMap<>());
        }
    }

    /** A completion without its key. */
    record Text(String text, int tokens, Finish finish) {
        TextCompletion of(TextRequest request) {
            return new TextCompletion(request.key(), text, tokens, finish);
        }
    }

    /**
     * The partition of these requests, which have the same weights.
     *
     * @param digests the hashes of an adapter's files
     */
    static Partition of(List<TextRequest> requests, Function<Path, SortedMap<String, String>> digests) {
        List<Prompt> prompts = TextRequest.groups(requests).stream().map(group -> new Prompt(
                group.getFirst().messages(), group.getFirst().params(), group.getFirst().sample(), group.size()))
                .toList();
        return requests.getFirst().weights() instanceof ModelState.Adapter(Path folder)
                ? new Partition(prompts, folder.toAbsolutePath().normalize().toString(), digests.apply(folder))
                : new Partition(prompts, null, new TreeMap<>());
    }

    /**
     * Divides requests into partitions. Each has at most {@code most} requests, and fewer if there would be less than
     * one partition for each task that the cluster runs at once.
     *
     * @param slots number of tasks that the cluster runs at once
     */
    static List<List<TextRequest>> divide(List<TextRequest> requests, int slots, int most) {
        int size = Math.clamp(Math.ceilDiv(requests.size(), slots), 1, most);
        List<List<TextRequest>> partitions = new ArrayList<>();
        for (TextRequest request : requests) {
            List<TextRequest> last = partitions.isEmpty() ? null : partitions.getLast();
            if (last == null || last.size() == size || !last.getFirst().weights().equals(request.weights())) {
                last = new ArrayList<>();
                partitions.add(last);
            }
            last.add(request);
        }
        return partitions;
    }
}
