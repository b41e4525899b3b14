import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFileVersion;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeTransform;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Rewrites jars for the distribution. Entries are sorted by name, all have the same time stamp, and native libraries of
 * other platforms are left out. Entries are stored uncompressed, because the archive that contains the jars compresses
 * better. Of large libraries that only Jinjava uses, only the used classes are kept (see {@link #used}). Class files
 * from before Java 6 are converted to Java 8 and get stack maps, because the JVM's archive of classes (AOT cache)
 * cannot contain older class files. Arguments: the output folder, then jars.
 */
class Repack {
    /**
     * Entries to leave out: native libraries of DJL, JLine and Snappy for platforms other than x86-64 Linux, and
     * all native libraries of Ingrain, because the distribution has them next to the jars.
     */
    private static final Pattern LEFT_OUT = Pattern.compile("native/lib/(?!linux-x86_64/)[^/]+/.*"
            + "|org/jline/nativ/(?!Linux/x86_64/).*\\.(so|dll|jnilib)"
            + "|org/xerial/snappy/native/(?!Linux/x86_64/).*"
            + "|org/ingrain/native/.*");
    private static final Pattern PRUNED = Pattern.compile("(guava|commons-lang3|commons-net|snakeyaml)-\\d.*");
    private static final String CLASS = ".class";
    /**
     * Matches the name of a class. The name is the whole text, or a part of a descriptor or signature. If it is the
     * whole text, slashes or dots separate the packages.
     */
    private static final Pattern NAME = Pattern.compile("L([a-z][\\w$]*(?:/[\\w$]+)+)(?=[;<])"
            + "|(?<![\\w$/.])([a-z][\\w$]*(?:[/.][\\w$]+)+)");

    /** Replaces the version of a class file. */
    private static final ClassTransform JAVA_8 = (out, element) -> out.with(
            element instanceof ClassFileVersion ? ClassFileVersion.of(ClassFile.JAVA_8_VERSION, 0) : element);

    public static void main(String[] arguments) throws IOException {
        Map<Path, SortedMap<String, byte[]>> jars = new HashMap<>();
        for (int i = 1; i < arguments.length; i++) {
            jars.put(Path.of(arguments[i]), read(Path.of(arguments[i])));
        }
        modernize(jars.values());
        Set<String> used = used(jars);
        for (var jar : jars.entrySet()) {
            if (pruned(jar.getKey())) {
                jar.getValue().keySet().removeIf(name -> name.endsWith(CLASS) && !used.contains(name));
            }
            write(Path.of(arguments[0]).resolve(jar.getKey().getFileName()), jar.getValue());
        }
    }

    private static boolean pruned(Path jar) {
        return PRUNED.matcher(jar.getFileName().toString()).matches();
    }

    private static SortedMap<String, byte[]> read(Path jar) throws IOException {
        try (var in = new ZipFile(jar.toFile())) {
            SortedMap<String, byte[]> entries = new TreeMap<>();
            for (ZipEntry entry : in.stream().filter(one -> !one.isDirectory()
                    && !LEFT_OUT.matcher(one.getName()).matches()).toList()) {
                entries.put(entry.getName(), in.getInputStream(entry).readAllBytes());
            }
            return entries;
        }
    }

    private static void modernize(Collection<SortedMap<String, byte[]>> jars) {
        Map<String, byte[]> classes = new HashMap<>();
        jars.forEach(classes::putAll);
        ClassHierarchyResolver known = ClassHierarchyResolver.ofResourceParsing(type -> {
            byte[] bytes = classes.get(type.descriptorString().replaceAll("^L|;$", "") + CLASS);
            return bytes == null ? null : new ByteArrayInputStream(bytes);
        }).orElse(ClassHierarchyResolver.defaultResolver());
        ClassFile files = ClassFile.of(ClassFile.ConstantPoolSharingOption.NEW_POOL,
                ClassFile.StackMapsOption.GENERATE_STACK_MAPS, ClassFile.ClassHierarchyResolverOption.of(known));
        for (SortedMap<String, byte[]> entries : jars) {
            entries.replaceAll((name, bytes) -> name.endsWith(CLASS) ? modernized(files, bytes) : bytes);
        }
    }

    private static byte[] modernized(ClassFile files, byte[] bytes) {
        ClassModel old = files.parse(bytes);
        return old.majorVersion() >= ClassFile.JAVA_6_VERSION ? bytes : files.transformClass(old,
                JAVA_8.andThen(ClassTransform.transformingMethodBodies(CodeTransform.ACCEPT_ALL)));
    }

    /**
     * Returns the names of all used classes. A class is used if its jar is not pruned, or if a used class mentions it.
     * A class mentions every name in its constant pool. This includes string constants, because some classes are loaded
     * by name.
     */
    private static Set<String> used(Map<Path, SortedMap<String, byte[]>> jars) {
        Map<String, byte[]> classes = new HashMap<>();
        var unread = new ArrayDeque<String>();
        jars.forEach((jar, entries) -> entries.forEach((name, bytes) -> {
            if (name.endsWith(CLASS)) {
                classes.putIfAbsent(name, bytes);
                if (!pruned(jar)) {
                    unread.add(name);
                }
            }
        }));
        Set<String> used = new HashSet<>();
        while (!unread.isEmpty()) {
            String name = unread.pop();
            if (used.add(name) && classes.containsKey(name)) {
                unread.addAll(mentioned(classes.get(name)));
            }
        }
        return used;
    }

    private static List<String> mentioned(byte[] bytes) {
        List<String> names = new ArrayList<>();
        for (PoolEntry entry : ClassFile.of().parse(bytes).constantPool()) {
            if (entry instanceof Utf8Entry text) {
                Matcher name = NAME.matcher(text.stringValue());
                while (name.find()) {
                    String found = name.group(1) == null ? name.group(2) : name.group(1);
                    names.add(found.replace('.', '/') + CLASS);
                }
            }
        }
        return names;
    }

    private static void write(Path jar, SortedMap<String, byte[]> entries) throws IOException {
        try (var out = new ZipOutputStream(Files.newOutputStream(jar))) {
            for (var entry : entries.entrySet()) {
                byte[] bytes = entry.getValue();
                var crc = new CRC32();
                crc.update(bytes);
                var stored = new ZipEntry(entry.getKey());
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
