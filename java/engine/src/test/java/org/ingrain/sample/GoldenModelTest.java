package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.ingrain.engine.LoadedModel;
import org.ingrain.engine.ModelOptions;
import org.ingrain.model.MemoryPlan;
import org.ingrain.tensor.TestFolders;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Real weights that nobody here trained, and the text that somebody else expects of them. */
class GoldenModelTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void stories15MTellsTheStoryOfLily(int threads) throws IOException {
        Path folder = TestFolders.model("stories15M");
        String expected = Files.readAllLines(folder.resolveSibling("README.md")).stream().filter(line -> line.startsWith("> "))
                .map(line -> line.substring(2)).collect(Collectors.joining("\n"));
        ModelOptions options = new ModelOptions(folder, "cpu", threads, "auto", "auto", "auto", false, List.of());
        GeneratorConfig config = GeneratorConfig.of(256, 4, 64).withCacheTokens(512);
        try (LoadedModel model = open(options, config)) {
            Generator generator = new Generator(model.context(), model.weights(), null, config, () -> model.tokenizer().streamingDecoder(true),
                    model.tokenizer().eosIds());
            Request fromBos = Request.of(model.tokenizer().encode("", true), 1, SamplingParams.greedy(256));
            assertEquals(expected, generator.generate(List.of(fromBos)).getFirst().getFirst().text());
        }
    }

    private static LoadedModel open(ModelOptions options, GeneratorConfig config) {
        return LoadedModel.open(options, (context, c, precision) -> List.of(new MemoryPlan.Part("cache", Generator.bytes(context, c, precision, config))),
                new LoadedModel.Listener() {
                    @Override
                    public void planned(String line) {
                    }

                    @Override
                    public void loaded(int layers, int of) {
                    }
                });
    }
}
