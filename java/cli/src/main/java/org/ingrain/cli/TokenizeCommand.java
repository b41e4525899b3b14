package org.ingrain.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.ingrain.cli.flags.Heading;
import org.ingrain.cli.flags.Heading.Under;
import org.ingrain.files.DurableFile;
import org.ingrain.files.LineReader;
import org.ingrain.tokenizer.Tokenizer;
import org.ingrain.tokenizer.Tokenizers;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "tokenize", description = {"Converts lines of text to token ids, or token ids to text.",
    "Prints one line of output per line of input."},
        customSynopsis = "ingrain tokenize [OPTIONS] --model DIR [TEXT...]",
        footer = {
    "  ingrain tokenize --model models/lab 'Spell the word'",
    "  echo 'Spell the word' | ingrain tokenize --model models/lab | \\",
    "    ingrain tokenize --model models/lab --decode"})
final class TokenizeCommand implements Callable<Integer> {
    @Under(Heading.MODEL)
    @Option(names = "--model", required = true, paramLabel = "DIR",
            description = "Folder with tokenizer.json, tokenizer.model, or vocab.json and merges.txt.")
    private Path model;

    @Under(Heading.DATA)
    @Option(names = "--bos", description = "Add the tokenizer's special tokens at the start (usually BOS).")
    private boolean bos;

    @Under(Heading.DATA)
    @Option(names = "--decode", description = "Convert token ids to text.")
    private boolean decode;

    @Parameters(paramLabel = "TEXT", arity = "0..*", description = "Lines to convert (default: standard input).")
    private String[] lines;

    @Override
    public Integer call() {
        try (Tokenizer tokenizer = Tokenizers.open(model)) {
            if (lines != null) {
                Arrays.stream(lines).map(line -> convert(tokenizer, line)).forEach(System.out::println);
                return 0;
            }
            LineReader input = new LineReader(System.in, "standard input");
            while (input.next()) {
                System.out.println(convert(tokenizer, input.line()));
            }
            return 0;
        } catch (IOException e) {
            throw DurableFile.unreadable(Path.of("standard input"), e);
        }
    }

    private String convert(Tokenizer tokenizer, String line) {
        if (decode) {
            return tokenizer.decode(TokenIds.parse(line), false);
        }
        return Arrays.stream(tokenizer.encode(line, bos)).mapToObj(Integer::toString).collect(Collectors.joining(" "));
    }
}
