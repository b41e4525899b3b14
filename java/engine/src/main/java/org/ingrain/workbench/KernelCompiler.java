package org.ingrain.workbench;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.tensor.InputException;

/**
 * Compiles a kernel's source to a shared library that is linked to the backend's soname. The dynamic loader therefore
 * resolves the kernel's references to backend symbols, such as ingrain_native_stream, to the symbols of the loaded
 * backend.
 */
final class KernelCompiler {
    private static final Pattern ERROR = Pattern.compile(
            "(?m)^.*?(?:(?:fatal )?error[: ]|undefined reference|cannot find).*$");
    private static final Pattern BACKEND = Pattern.compile("libingrain_(\\w+)\\.so.*");

    private final Path backend;
    private final Path folder;

    /**
     * @param backend the backend's library
     * @param folder  folder for headers and compiled libraries; the caller removes it
     */
    KernelCompiler(Path backend, Path folder) {
        this.backend = backend;
        this.folder = folder;
    }

    /** Compiles a kernel and returns its library. If the kernel's file is already a library, returns that file. */
    Path library(KernelFile kernel) {
        if (!kernel.source()) {
            return kernel.file().toAbsolutePath();
        }
        try {
            Path headers = headers();
            Path output = folder.resolve(kernel.op() + ".so");
            run(kernel, command(kernel, headers, output));
            return output;
        } catch (IOException e) {
            throw new InputException(kernel.file() + ": cannot be compiled in " + folder + ": " + e.getMessage(), e);
        }
    }

    /** The backend's name (cpu, cuda or simt), taken from the name of its library. */
    private String target() {
        Matcher name = BACKEND.matcher(backend.getFileName().toString());
        return name.matches() ? name.group(1) : backend.getFileName().toString();
    }

    private List<String> command(KernelFile kernel, Path headers, Path output) {
        // The compiler reads a path that begins with a hyphen as an option. An absolute path cannot begin with a
        // hyphen.
        String file = kernel.file().toAbsolutePath().toString();
        boolean cuda = file.endsWith(".cu");
        String target = target();
        List<String> command = new ArrayList<>();
        if (target.equals("cpu") && !cuda) {
            command.addAll(List.of("g++", "-march=native"));
        } else if (target.equals("simt") && cuda) {
            command.addAll(emulated());
        } else if (target.equals("cuda") && cuda) {
            command.addAll(List.of("nvcc", "-arch=native", "--expt-relaxed-constexpr",
                    "-Xcompiler=-fPIC,-fvisibility=hidden", "-shared"));
        } else {
            throw new InputException(kernel.file() + ": cannot be compiled for " + target + ", expected "
                    + (target.equals("cpu") ? ".cc" : ".cu") + " or .so");
        }
        if (!target.equals("cuda")) {
            command.addAll(List.of("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fPIC",
                    "-fvisibility=hidden", "-shared"));
        }
        command.addAll(List.of("-std=c++20", "-O3", "-I", headers.toString(), "-o", output.toString()));
        if (target.equals("simt")) {
            command.addAll(List.of("-x", "c++", file, "-x", "none", backend.toString(),
                    backend.resolveSibling("libsimt.so").toString()));
        } else {
            command.addAll(List.of(file, backend.toString()));
        }
        if (!target.equals("cuda")) {
            command.add("-Wl,--no-undefined");
        }
        return command;
    }

    /**
     * The compiler command for simt. The headers of simt exist only in the source tree, because simt is used only in
     * tests.
     */
    private static List<String> emulated() {
        String root = System.getProperty("ingrain.root");
        if (root == null) {
            throw InputException.field("device",
                    "simt is only for tests and needs the path of the source tree in the property ingrain.root");
        }
        return List.of("g++", "-march=native", "-I", Path.of(root, "cuda", "simt", "include").toString());
    }

    private static void run(KernelFile kernel, List<String> command) throws IOException {
        String output;
        int status;
        try {
            ProcessBuilder compiler = new ProcessBuilder(command).redirectErrorStream(true);
            compiler.environment().put("LC_ALL", "C");
            Process process = compiler.start();
            process.getOutputStream().close();
            output = new String(process.getInputStream().readAllBytes());
            status = process.waitFor();
        } catch (IOException e) {
            throw new InputException(kernel.file() + ": cannot be compiled without " + command.getFirst() + ": "
                    + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while compiling " + kernel.file(), e);
        }
        if (status != 0) {
            Matcher error = ERROR.matcher(output);
            throw new InputException(kernel.file() + ": does not compile: "
                    + (error.find() ? error.group().strip() : output.isBlank()
                            ? command.getFirst() + " exited with status " + status : output.strip()));
        }
    }

    /** Returns the folder with the headers that kernels may include. The first call creates the folder. */
    private Path headers() throws IOException {
        Path headers = folder.resolve("include");
        if (!Files.isDirectory(headers)) {
            Files.createDirectory(headers);
            for (String name : KernelCatalog.resource("headers.txt").lines().toList()) {
                try (InputStream in = KernelCompiler.class.getResourceAsStream("include/" + name)) {
                    Files.copy(in, headers.resolve(name));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }
        return headers;
    }
}
