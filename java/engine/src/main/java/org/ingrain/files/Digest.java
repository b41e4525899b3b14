package org.ingrain.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.ingrain.tensor.InputException;

/** SHA-256 fingerprints of files, folders and names. */
public final class Digest {
    private static final String WEIGHTS = ".safetensors";
    /** Maximum size in bytes of a weight file that is hashed in full. A larger file is hashed only in parts. */
    private static final long WHOLE = 4L << 20;
    private static final int WINDOWS = 64;
    private static final int WINDOW = 1 << 16;

    private Digest() {
    }

    /**
     * Returns a map with {@code size:hash} for every file that defines a model (weights, adapters, config, tokenizer,
     * template). The keys are file names. For a large weight file the hash covers the size, the first megabyte (with
     * the safetensors header), and 64 evenly spaced parts of 64 KiB.
     *
     * @throws InputException if the folder cannot be read or contains no such file
     */
    public static SortedMap<String, String> model(Path folder) {
        SortedMap<String, String> files = new TreeMap<>();
        try (Stream<Path> all = Files.list(folder)) {
            for (Path file : all.filter(Files::isRegularFile).toList()) {
                String name = file.getFileName().toString();
                if (name.endsWith(WEIGHTS) || name.endsWith(".json") || name.endsWith(".model")
                        || name.endsWith(".jinja") || name.equals("merges.txt")) {
                    files.put(name, Files.size(file) + ":" + file(file));
                }
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(folder, e);
        }
        if (files.isEmpty()) {
            throw new InputException(folder + ": no model here, expected config.json, tokenizer and safetensors");
        }
        return files;
    }

    /**
     * Returns the hash of a file's size and content. A large weight file is hashed only in parts; see {@link #model}.
     */
    public static String file(Path file) {
        MessageDigest digest = sha256();
        try (FileChannel channel = FileChannel.open(file)) {
            long size = channel.size();
            digest.update(ByteBuffer.allocate(Long.BYTES).putLong(0, size));
            if (size <= WHOLE || !file.getFileName().toString().endsWith(WEIGHTS)) {
                for (long from = 0; from < size; from += WHOLE) {
                    read(channel, from, (int) Math.min(WHOLE, size - from), digest);
                }
            } else {
                read(channel, 0, 1 << 20, digest);
                for (int i = 1; i <= WINDOWS; i++) {
                    read(channel, (size - WINDOW) / WINDOWS * i, WINDOW, digest);
                }
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** Returns the SHA-256 of a file's content, as {@code sha256sum} prints it. */
    public static String content(Path file) {
        MessageDigest digest = sha256();
        try (FileChannel channel = FileChannel.open(file)) {
            for (long from = 0; from < channel.size(); from += WHOLE) {
                read(channel, from, (int) Math.min(WHOLE, channel.size() - from), digest);
            }
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /**
     * Derives a non-negative seed from another seed and a list of names. The result is 63 bits of the SHA-256 of the
     * seed and the names. Each name is hashed together with its length, so that ("ab", "c") and ("a", "bc") yield
     * different seeds.
     */
    public static long seed(long seed, String... parts) {
        MessageDigest digest = sha256();
        digest.update(ByteBuffer.allocate(Long.BYTES).putLong(0, seed));
        for (String part : parts) {
            byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
            digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(0, bytes.length));
            digest.update(bytes);
        }
        return ByteBuffer.wrap(digest.digest()).getLong() >>> 1;
    }

    private static void read(FileChannel channel, long from, int length, MessageDigest digest) throws IOException {
        ByteBuffer window = ByteBuffer.allocate(length);
        while (window.hasRemaining() && channel.read(window, from + window.position()) >= 0) {
            // A channel may return fewer bytes than requested.
        }
        digest.update(window.flip());
    }

    /** Creates a SHA-256 digest that has received no input. */
    public static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
