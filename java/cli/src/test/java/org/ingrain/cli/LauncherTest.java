package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests the launcher of the distribution with several locales and with closed standard streams. A running JVM cannot
 * change its own locale and streams, so each test starts the launcher as a process.
 */
class LauncherTest {
    private static final Path ROOT = Path.of(System.getProperty("ingrain.root"));

    /**
     * A script that replaces the command java. If the script is called to write an archive, it waits for the file
     * {@code go}. Then it writes an invalid archive, because writing a valid archive would take seconds.
     */
    private static final String JAVA = """
            #!/bin/sh
            for word; do
              case $word in
              -XX:AOTCacheOutput=*)
                for i in $(seq 300); do [ ! -e go ] || break; sleep 0.1; done
                echo damaged >"${word#*=}"; exit ;;
              -XX:AOTCache=*) echo used >>"${word#*=}" ;;
              esac
            done
            exec '%s/bin/java' "$@"
            """;

    /** Waits until the background process has made an archive. */
    private static final String MADE = "for i in $(seq 100); do [ ! -e new/ingrain/*.aot ] || break; sleep 0.1; done; ";

    @TempDir
    private static Path home;

    /** Writes a distribution with one jar, whose manifest refers to this JVM's class path. */
    @BeforeAll
    static void install() throws IOException {
        String dist = Files.readString(ROOT.resolve(".mvn/dist"));
        Path launcher = home.resolve("ingrain");
        Files.writeString(launcher, dist.substring(dist.indexOf("#!/bin/sh"), dist.indexOf("\nLAUNCHER\n") + 1));
        assertTrue(launcher.toFile().setExecutable(true));
        Path runtime = Files.createDirectories(home.resolve("runtime"));
        Path java = Files.createDirectory(runtime.resolve("bin")).resolve("java");
        Files.writeString(java, JAVA.formatted(System.getProperty("java.home")));
        assertTrue(java.toFile().setExecutable(true));
        Files.createFile(Files.createDirectory(runtime.resolve("lib")).resolve("modules"));
        Files.createDirectory(home.resolve("lib"));
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        manifest.getMainAttributes().put(Attributes.Name.CLASS_PATH,
                Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                        .map(entry -> Path.of(entry).toUri().toString()).collect(Collectors.joining(" ")));
        try (OutputStream out = Files.newOutputStream(home.resolve("lib/ingrain.jar"))) {
            new JarOutputStream(out, manifest).close();
        }
        TinyModelFolder.write(home.resolve("模型"));
    }

    /** Runs a shell command. Returns the command's standard output, standard error and exit status. */
    private static String shell(String command) throws Exception {
        ProcessBuilder shell = new ProcessBuilder("bash", "-o", "pipefail", "-c", command + "; echo \"status $?\"")
                .directory(home.toFile()).redirectErrorStream(true);
        shell.environment().put("LC_ALL", "C");
        shell.environment().put("XDG_CACHE_HOME", "/proc/none");
        Process process = shell.start();
        process.getOutputStream().close();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        return said;
    }

    @Test
    void textsAndFileNamesAreUtf8InEveryLocale() throws Exception {
        assertEquals("你好\nstatus 0\n", shell(
                "./ingrain tokenize --model 模型 你好 | LC_ALL=POSIX ./ingrain tokenize --model 模型 --decode"));
        assertEquals("ingrain: 无: no such folder\nstatus 2\n",
                shell("./ingrain tokenize --model 无 a"));
        assertEquals("ingrain: an argument is not UTF-8, expected UTF-8 in texts and file names\nstatus 2\n",
                shell("./ingrain tokenize --model 模型 $'\\xff'"));
    }

    /** Runs the launcher of a copied source tree whose build is up to date. */
    @Test
    void aCopiedTreeRunsItsOwnJars() throws Exception {
        Path tree = Files.createDirectory(home.resolve("tree"));
        Files.copy(ROOT.resolve("ingrain"), tree.resolve("ingrain"), StandardCopyOption.COPY_ATTRIBUTES);
        for (String folder : List.of(".mvn", "native", "java/cli/src/main", "target/run/build/lib")) {
            Files.createDirectories(tree.resolve(folder));
        }
        for (String file : List.of("pom.xml", "CMakeLists.txt", "CMakePresets.json", "java/cli/pom.xml")) {
            Files.createFile(tree.resolve(file));
        }
        Files.writeString(tree.resolve(".mvn/tools"), "#!/bin/sh\necho \"$JAVA\"\n");
        assertTrue(tree.resolve(".mvn/tools").toFile().setExecutable(true));
        Files.copy(home.resolve("lib/ingrain.jar"), tree.resolve("target/run/build/lib/ingrain.jar"));
        Files.createSymbolicLink(tree.resolve("target/run/current"), Path.of("build"));
        Files.createFile(tree.resolve("target/run/build/classpath"));
        assertEquals("你好\nstatus 0\n", shell("cp -a tree copy && rm -r tree && ids=$(JAVA=$PWD/runtime "
                + "copy/ingrain tokenize --model 模型 你好) && JAVA=$PWD/runtime copy/ingrain tokenize --model 模型 "
                + "--decode \"$ids\""));
        assertTrue(Files.readString(ROOT.resolve("ingrain")).contains(
                "cp \"$root/java/cli/target/classpath\" \"$next/classpath\""),
                "the class path would contain paths in the original tree");
    }

    @Test
    void aPipeWhoseReaderEndsEndsTheCommandQuietly() throws Exception {
        assertEquals("status 1\n", shell("yes a | ./ingrain tokenize --model 模型 | head -1 >/dev/null; "
                + "(exit ${PIPESTATUS[1]})"));
        assertEquals("status 1\n", shell("./ingrain --help | true; (exit ${PIPESTATUS[0]})"));
    }

    @Test
    void closedStreamsAreNamed() throws Exception {
        assertEquals("ingrain: standard output: cannot be written: Bad file descriptor\nstatus 1\n",
                shell("./ingrain tokenize --model 模型 a >&-"));
        assertEquals("ingrain: standard output: cannot be written: Bad file descriptor\nstatus 1\n",
                shell("./ingrain tokenize --help >&-"));
        assertEquals("ingrain: standard input: cannot be read: Bad file descriptor\nstatus 2\n",
                shell("./ingrain tokenize --model 模型 <&-"));
    }

    @Test
    void anArchiveOfClassesChangesNoOutput() throws Exception {
        String words = "echo \"$(./ingrain tokenize --model 模型 你好 2>&1)\"";
        String once = shell(words).lines().findFirst().orElseThrow() + "\n";
        String fresh = "export XDG_CACHE_HOME=$PWD/new; ";
        assertEquals(once.repeat(3) + "700 1 used\nstatus 0\n", shell(fresh + words + " & " + words + " & wait; "
                + "touch go; " + MADE + words + "; echo $(stat -c %a new/ingrain) $(ls new/ingrain | wc -l) "
                + "$(tail -1 new/ingrain/*.aot)"));
        assertEquals(once + "status 0\n", shell(fresh + "touch -d 2020-01-01 lib/ingrain.jar; " + words));
        assertEquals(once + "status 0\n", shell("unset XDG_CACHE_HOME HOME; " + words));
    }
}
