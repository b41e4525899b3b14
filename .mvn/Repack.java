import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Rewrites jars for the distribution: entries are stored uncompressed, since the archive around them compresses better,
 * sorted by name, with one time stamp, and without native libraries of other platforms. Arguments: the output folder,
 * then jars.
 */
class Repack {
    /**
     * Native libraries of DJL, JNA, JLine and Snappy except those for x86-64 Linux; and all of ours, since the
     * distribution has them next to the jars.
     */
    private static final Pattern LEFT_OUT = Pattern.compile("native/lib/(?!linux-x86_64/)[^/]+/.*"
            + "|com/sun/jna/(?!linux-x86-64/)[^/]+/[^/]+\\.(so|dll|a|jnilib)"
            + "|org/jline/nativ/(?!Linux/x86_64/).*\\.(so|dll|jnilib)"
            + "|org/xerial/snappy/native/(?!Linux/x86_64/).*"
            + "|org/ingrain/native/.*");

    public static void main(String[] arguments) throws IOException {
        for (int i = 1; i < arguments.length; i++) {
            repack(Path.of(arguments[i]), Path.of(arguments[0]));
        }
    }

    private static void repack(Path jar, Path folder) throws IOException {
        try (var in = new ZipFile(jar.toFile()); var out = new ZipOutputStream(
                Files.newOutputStream(folder.resolve(jar.getFileName())))) {
            var entries = new TreeMap<String, ZipEntry>();
            in.stream().filter(entry -> !entry.isDirectory() && !LEFT_OUT.matcher(entry.getName()).matches())
                    .forEach(entry -> entries.put(entry.getName(), entry));
            for (ZipEntry entry : entries.values()) {
                byte[] bytes = in.getInputStream(entry).readAllBytes();
                var crc = new CRC32();
                crc.update(bytes);
                var stored = new ZipEntry(entry.getName());
                stored.setMethod(ZipEntry.STORED);
                stored.setSize(bytes.length);
                stored.setCrc(crc.getValue());
                stored.setTimeLocal(LocalDateTime.of(2026, 1, 1, 0, 0));
                out.putNextEntry(stored);
                out.write(bytes);
            }
        }
    }
}
