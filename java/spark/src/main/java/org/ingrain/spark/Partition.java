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
 * The requests of one Spark task, sent as JSON. A prompt with several consecutive samples is sent only once. All
 * requests use the same weights.
 *
 * @param prompts the prompts, each with the range of its sample numbers
 * @param adapter absolute path of the adapter's folder, null for the base model
 * @param files   map from the names of the adapter's files to their hashes; empty for the base model
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
     * @param refusal   error in the user's input, because of which the executor did not answer; null if it answered
     * @param engine    name of the engine that answered, unique in the cluster
     * @param fallbacks number of calls of each fallback kernel since the engine was opened
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
     * Makes a partition from these requests, which must use the same weights.
     *
     * @param digests returns the hashes of the files in an adapter's folder, by name
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
     * Divides requests into partitions. All requests of a partition use the same weights. A partition has at most
     * {@code most} requests. If there are few requests, partitions are smaller, so that more tasks can run at once.
     *
     * @param slots number of tasks that the cluster can run at once
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
