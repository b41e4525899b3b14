package org.ingrain.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "tokenize", description = {"Token ids of each line of text: a line of ids per line of input.",
    "Reads the arguments, or standard input where there are none."})
final class TokenizeCommand implements Callable<Integer> {
    @Option(names = "--model", required = true, paramLabel = "DIR",
            description = "Folder with tokenizer.json, tokenizer.model, or vocab.json and merges.txt.")
    private Path model;

    @Option(names = "--bos", description = "Put in front what the tokenizer puts in front (usually BOS).")
    private boolean bos;

    @Option(names = "--decode", description = "The other way: lines of ids become text.")
    private boolean decode;

    @Parameters(paramLabel = "TEXT", arity = "0..*", description = "Lines to tokenize.")
    private String[] lines;

    @Override
    public Integer call() throws IOException {
        try (Tokenizer tokenizer = Tokenizers.open(model)) {
            if (lines != null) {
                Arrays.stream(lines).map(line -> convert(tokenizer, line)).forEach(System.out::println);
                return 0;
            }
            BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                System.out.println(convert(tokenizer, line));
            }
            return 0;
        }
    }

    private String convert(Tokenizer tokenizer, String line) {
        if (decode) {
            return tokenizer.decode(TokenIds.parse(line), false);
        }
        return Arrays.stream(tokenizer.encode(line, bos)).mapToObj(Integer::toString).collect(Collectors.joining(" "));
    }
}
