package org.ingrain.sample;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.tensor.TestFolders;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Compares the greedy text of the published model stories15M with the text in the README of its folder. */
class GoldenModelTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void stories15MTellsTheStoryOfLily(int threads) throws IOException {
        Path folder = TestFolders.model("stories15M");
        String expected = Files.readAllLines(folder.resolveSibling("README.md")).stream()
                .filter(line -> line.startsWith("> ")).map(line -> line.substring(2)).collect(Collectors.joining("\n"));
        GeneratorConfig config = GeneratorConfig.of(256, 4, 64).withCacheTokens(512);
        try (Engine engine = Engine.open(ModelOptions.of(folder).withThreads(threads))) {
            Request fromBos = Request.of(engine.tokenizer().encode("", true), 1, SamplingParams.greedy(256));
            Generator generator = engine.generator(config);
            assertEquals(expected, generator.generate(List.of(fromBos)).getFirst().getFirst().text());
        }
    }
}
