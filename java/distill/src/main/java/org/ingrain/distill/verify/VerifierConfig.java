package org.ingrain.distill.verify;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.files.Digest;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;

/**
 * A user's program that accepts or rejects answers.
 *
 * @param program program and arguments, in the form that the settings of a run record; a word that names a file is
 *                replaced by the file's name and the SHA-256 of its content
 * @param timeout time limit for one answer, in seconds
 * @param memory  limit of the address space of each process, in MiB; 0: none
 * @param command program and arguments, with absolute paths of files; they are not interpreted by a shell
 */
public record VerifierConfig(List<String> program, int timeout, int memory, @JsonIgnore List<String> command) {
    private static final Pattern WORD = Pattern.compile("(?:[^\\s\"']|\"[^\"]*\"|'[^']*')+");
    private static final Pattern QUOTED = Pattern.compile("\"([^\"]*)\"|'([^']*)'");

    public VerifierConfig {
        if (command.isEmpty() || command.stream().anyMatch(word -> word.indexOf('\0') >= 0)
                || command.getFirst().isBlank()) {
            throw InputException.field("verifier", command + ", expected a program and its arguments");
        }
        if (timeout < 1) {
            throw InputException.field("verifierTimeout", timeout + ", expected 1 second or more");
        }
        if (memory < 0) {
            throw InputException.field("verifierMemory", memory + ", expected 0 (no limit) or more MiB");
        }
        program = List.copyOf(program);
        command = List.copyOf(command);
    }

    /**
     * Reads a command. If the text begins with {@code [}, it is a JSON array of words. Otherwise spaces separate the
     * words, except spaces in single or double quotes. No other character has a special meaning. A word that names a
     * file is replaced by the absolute path of the file, because the program has another working folder.
     */
    public static VerifierConfig of(String command, int timeout, int memory) {
        List<String> words = command.strip().startsWith("[") ? json(command) : words(command);
        List<String> program = new ArrayList<>();
        List<String> absolute = new ArrayList<>();
        for (String word : words) {
            boolean file = !word.isEmpty() && word.indexOf('\0') < 0 && Files.isRegularFile(Path.of(word));
            program.add(file ? Path.of(word).getFileName() + " sha256:" + Digest.file(Path.of(word)) : word);
            absolute.add(file ? Path.of(word).toAbsolutePath().normalize().toString() : word);
        }
        return new VerifierConfig(program, timeout, memory, absolute);
    }

    /** Whether the memory of the program can be limited on this machine. */
    public static boolean limitsMemory() {
        return VerifierProcess.limitsMemory();
    }

    private static List<String> json(String command) {
        try {
            return List.of(Json.parse(command, String[].class, "the command"));
        } catch (InputException e) {
            throw InputException.field("verifier", e.getMessage() + ", expected a JSON array of texts");
        }
    }

    private static List<String> words(String command) {
        List<String> words = new ArrayList<>();
        Matcher word = WORD.matcher(command);
        int end = 0;
        while (word.find()) {
            end = word.end();
            words.add(QUOTED.matcher(word.group()).replaceAll(found -> Matcher.quoteReplacement(
                    found.group(1) != null ? found.group(1) : found.group(2))));
        }
        if (WORD.matcher(command).replaceAll("").strip().isEmpty()) {
            return words;
        }
        throw InputException.field("verifier", command + ", expected a closing quotation mark (after character " + end
                + ")");
    }
}
