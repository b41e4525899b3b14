package org.ingrain.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Lists the content of folders, and starts processes that lock or write folders. */
final class Trees {
    private Trees() {
    }

    /** Regular files below a folder, including hidden ones, with content and modification time. */
    static Map<String, String> files(Path folder) throws IOException {
        Map<String, String> all = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                all.put(file.toString(), Files.readString(file) + Files.getLastModifiedTime(file));
            }
        }
        return all;
    }

    /** Names in a folder, including hidden ones. */
    static List<String> names(Path folder) {
        return DurableFolder.list(folder).stream().map(path -> path.getFileName().toString()).toList();
    }

    /** Starts a Java process that runs the main method of a test class and writes its output to {@code log}. */
    static Process java(Path log, Class<?> main, Object... arguments) throws IOException {
        List<String> command = Stream.concat(Stream.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                System.getProperty("java.class.path"), main.getName()), Stream.of(arguments).map(Object::toString))
                .toList();
        return new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    }
}
