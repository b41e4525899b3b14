package org.ingrain.files;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Require;

/**
 * The file {@code digests.json} of a run folder, with a digest of each file that a stage has finished; see {@link
 * Digest#file}. Later stages compute their files from these files. A file that was changed after it was finished is
 * rejected when the run is resumed, because later files may have been computed from its old content.
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
     * Runs {@code make} to write a file of the run folder. If the file already exists and has a recorded digest, first
     * checks that the content has this digest. Otherwise records the digest after {@code make} has run.
     *
     * @param file a file in the run folder
     * @param make writes the file, unless it exists
     * @throws InputException if an existing file was changed after it was made
     */
    public void make(Path file, Runnable make) {
        boolean recorded = isRecorded(file);
        make.run();
        if (!recorded) {
            digests.put(name(file), Digest.file(file));
            write();
        }
    }

    /**
     * Checks or records existing files: a file with a recorded digest must have this digest; the digests of the other
     * files are recorded.
     *
     * @throws InputException if a file was changed after its digest was recorded
     */
    public void hold(Collection<Path> files) {
        List<Path> fresh = files.stream().filter(file -> !isRecorded(file)).toList();
        fresh.forEach(file -> digests.put(name(file), Digest.file(file)));
        if (!fresh.isEmpty()) {
            write();
        }
    }

    /**
     * Requires an existing file with a recorded digest.
     *
     * @throws InputException if the file is missing, has no recorded digest, or was changed after its digest was
     *         recorded
     */
    public void require(Path file) {
        if (!isRecorded(file)) {
            throw new InputException(file + ": missing, or not in " + NAME + ", expected a finished file of the run");
        }
    }

    /** The recorded digest of a file of the run folder; null if there is none. */
    public String of(Path file) {
        return digests.get(name(file));
    }

    /**
     * Whether the file exists and has a recorded digest. Throws an InputException if the content of the file does not
     * have the recorded digest.
     */
    private boolean isRecorded(Path file) {
        boolean recorded = digests.containsKey(name(file)) && Files.exists(file);
        if (recorded && !of(file).equals(Digest.file(file))) {
            throw new InputException(file + ": has been changed since the run made it (its SHA-256 is not that in "
                    + NAME + "), expected the same content: restore it or use another run folder");
        }
        return recorded;
    }

    private String name(Path file) {
        return folder.relativize(file).toString();
    }

    private void write() {
        DurableFile.write(folder.resolve(NAME), Json.pretty(new Content(digests)));
    }
}
