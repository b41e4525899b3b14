package org.ingrain.files;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Require;

/**
 * The file {@code digests.json} of a run folder, with the SHA-256 of each file that a stage has finished. Later stages
 * compute their files from these files. If a file was changed after it was finished, the file is rejected when the run
 * is resumed, because later files may have been computed from its old content.
 */
public final class FileDigests {
    private static final String NAME = "digests.json";

    private final Path folder;
    private final SortedMap<String, String> digests;

    private record Content(SortedMap<String, String> files) {
        private Content {
            Require.present("files", files);
        }
    }

    private FileDigests(Path folder, SortedMap<String, String> digests) {
        this.folder = folder;
        this.digests = digests;
    }

    /** Reads the digests of a run folder. If digests.json does not exist, there are no digests yet. */
    public static FileDigests open(Path folder) {
        Path file = folder.resolve(NAME);
        return new FileDigests(folder, Files.exists(file)
                ? new TreeMap<>(Json.parse(DurableFile.read(file), Content.class, file.toString()).files())
                : new TreeMap<>());
    }

    /**
     * Makes a file of the run folder. If the file exists and has a recorded digest, checks first that its content has
     * this digest; otherwise records the digest after {@code make} has run.
     *
     * @param file a file in the run folder
     * @param make writes the file, unless it exists
     * @throws InputException if an existing file was changed after it was made
     */
    public void make(Path file, Runnable make) {
        String name = folder.relativize(file).toString();
        boolean recorded = digests.containsKey(name) && Files.exists(file);
        if (recorded && !digests.get(name).equals(Digest.file(file))) {
            throw new InputException(file + ": has been changed since the run made it (its SHA-256 is not that in "
                    + NAME + "), expected the same content: restore it or use another run folder");
        }
        make.run();
        if (!recorded) {
            digests.put(name, Digest.file(file));
            DurableFile.write(folder.resolve(NAME), Json.pretty(new Content(digests)));
        }
    }
}
