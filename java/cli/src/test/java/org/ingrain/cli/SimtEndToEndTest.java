package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Tests the whole engine with the CUDA sources on an emulated GPU: generation with the device loop and graphs, and
 * training. The model has 30,000 parameters.
 */
class SimtEndToEndTest {
    private static final Path LIBRARY = Path.of(System.getProperty("ingrain.root"), "build", "release", "lib",
            "libingrain_simt.so");

    @TempDir
    private Path temp;

    private Path model;

    @BeforeEach
    void model() throws IOException {
        assumeTrue(Files.exists(LIBRARY), "Skipped: libingrain_simt.so is not built");
        model = TinyModelFolder.write(temp.resolve("model"));
        Path config = model.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("192", "448"));
    }

    private static Run succeed(Object... arguments) {
        Run run = Run.of(arguments);
        assertEquals(0, run.status(), run.err());
        return run;
    }

    /** In F32 the two backends differ only in the order of summation, so greedy text and sampled text are the same. */
    @Test
    void generatesWhatTheCpuGenerates() {
        for (Object[] flags : new Object[][] {{"--n", 1},
                {"--n", 5, "--temperature", "0.8", "--seed", 3, "--top-p", "0.9"}}) {
            List<String> texts = new ArrayList<>();
            for (String device : List.of("cpu", "simt")) {
                List<Object> words = new ArrayList<>(List.of("generate", "--model", model, "--device", device, "--raw",
                        "--prompt", "What is it?", "--prompt", "One more", "--max-tokens", 24, "--ignore-eos"));
                words.addAll(List.of(flags));
                texts.add(succeed(words.toArray()).out());
            }
            assertEquals(texts.get(0), texts.get(1));
        }
    }

    @Test
    void generatesInBf16AndWithFp8() {
        for (String dtype : List.of("bf16", "fp8")) {
            Run run = succeed("generate", "--model", model, "--device", "simt", "--dtype", dtype, "--cache-dtype",
                    dtype, "--raw", "--prompt", "What is it?", "--n", 3, "--temperature", 1, "--max-tokens", 20,
                    "--ignore-eos", "--json");
            assertEquals(3, run.out().lines().count(), run.out());
        }
    }

    @Test
    void trainsAsTheCpuDoes() throws IOException {
        Path data = questions("train.jsonl", "prompt", "completion");
        for (String kind : List.of("--packing", "--full")) {
            List<List<Double>> losses = new ArrayList<>();
            for (String device : List.of("cpu", "simt")) {
                Path output = temp.resolve(device + kind);
                succeed("finetune", "--model", model, "--device", device, "--data", data, "--output", output,
                        "--max-steps", 3, "--batch-size", 2, "--learning-rate", "1e-2", kind);
                losses.add(losses(output.resolve("metrics.jsonl")));
            }
            for (int i = 0; i < 3; i++) {
                assertEquals(losses.get(0).get(i), losses.get(1).get(i), 1e-4 * losses.get(0).get(i),
                        kind + " step " + (i + 1));
            }
        }
    }

    /**
     * Distils a model that was trained to answer yes. All stages run: sampling, curation, training, evaluation and
     * report.
     */
    @Test
    void distils() throws IOException {
        Path taught = temp.resolve("taught");
        succeed("finetune", "--model", model, "--full", "--data", rows(), "--output", taught, "--max-steps", 60,
                "--batch-size", 7, "--learning-rate", "1e-2");
        Path run = temp.resolve("run");
        succeed("distill", "--model", taught.resolve("model"), "--device", "simt", "--task", "question-answer",
                "--data", questions("questions.jsonl", "question", "answer"), "--method", "rar-2-step", "--n", 3,
                "--max-tokens", 4, "--max-steps", 2, "--batch-size", 2, "--rank", 4, "--output", run);
        assertTrue(Files.exists(run.resolve("report.md")), "no report in " + run);
    }

    /**
     * Training rows for every prompt of the method, each with the completion {@code yes}: the question alone, the
     * question with the request to rephrase it, and the prompt of the second step.
     */
    private Path rows() throws IOException {
        String rephrase = " Please rephrase and expand this question so that it is easier to answer. "
                + "Give only the rephrased question, with every detail of the original.";
        List<String> lines = new ArrayList<>(List.of("{\"prompt\": \"yes\", \"completion\": \"yes\"}"));
        for (String line : Files.readAllLines(questions("plain.jsonl", "prompt", "completion"))) {
            lines.add(line);
            lines.add(line.replace("real?", "real?" + rephrase));
        }
        return Files.write(temp.resolve("rows.jsonl"), lines);
    }

    private static List<Double> losses(Path metrics) throws IOException {
        List<Double> losses = new ArrayList<>();
        for (String line : Files.readAllLines(metrics)) {
            JsonNode loss = JsonMapper.shared().readTree(line).path("loss");
            if (!loss.isMissingNode()) {
                losses.add(loss.asDouble());
            }
        }
        return losses;
    }

    private Path questions(String file, String question, String answer) throws IOException {
        List<String> lines = new ArrayList<>();
        for (String what : List.of("sky", "sea", "sun", "rain", "snow", "wood", "iron", "gold", "milk", "rice")) {
            lines.add("{\"%s\": \"Is %s real?\", \"%s\": \"yes\"}".formatted(question, what, answer));
        }
        return Files.write(temp.resolve(file), lines);
    }
}
