package org.ingrain.files;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Require;

/**
 * {@code digests.json} of a run folder: the SHA-256 of each file that a stage has finished. Later stages are computed
 * from these files. A file that was changed afterwards is rejected when the run is resumed, because the later files
 * would no longer follow from it.
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

    /** Reads the digests of a run folder. Without the file there are none yet. */
    public static FileDigests open(Path folder) {
        Path file = folder.resolve(NAME);
        return new FileDigests(folder, Files.exists(file)
                ? new TreeMap<>(Json.parse(DurableFile.read(file), Content.class, file.toString()).files())
                : new TreeMap<>());
    }

    /**
     * Makes a file that does not exist and records its digest. An existing file is compared with its digest first.
     *
     * @param file file of the run folder
     * @param make writes the file if it does not exist
     * @throws InputException if the file was changed after it was made
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
