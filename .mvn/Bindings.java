import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Writes the Java bindings of {@code ingrain.h}, with one method per function. {@code OpBindings} contains the ops and
 * checks the signature tag ({@code INGRAIN_EXPORT_OP}) of each op when it binds the op. {@code RuntimeBindings}
 * contains all other functions. The arguments are the header and the folder for generated sources.
 */
class Bindings {
    private static final Pattern FUNCTION =
            Pattern.compile("INGRAIN_API\\s+([\\w ]+?[ *]+)ingrain_(\\w+)\\(([^;]*)\\);");
    private static final Pattern FUNCTION_POINTER = Pattern.compile("\\(\\*(\\w+)\\)\\([^)]*\\)");
    /**
     * Functions that manage contexts, memory, events, graphs, communicators and sizes. Any other function is an op,
     * which computes on the stream.
     */
    private static final Pattern RUNTIME = Pattern.compile("(context|event|graph|communicator)_.*|.*_bytes"
            + "|(host_)?(malloc|free)|copy(_to_.*)?|fill_zero|memory_info|synchronize|last_error|set_error|device_count"
            + "|can_access_peer|abi_version|native_stream|set_deterministic|parallel_for|workspace(_reserve)?|trac(e|ing)(_.*)?");

    private static final String OPS = """
            package org.ingrain.ffi;

            import java.lang.foreign.MemorySegment;
            import java.lang.invoke.MethodHandle;
            import java.util.Map;
            import org.ingrain.tensor.Batch;
            import org.ingrain.tensor.Tensor;
            import org.ingrain.tensor.Weight;

            /**
             * The ops of ingrain.h on one context, generated from the header. A tensor is passed as its address; null
             * is passed as a null pointer.
             */
            public final class OpBindings {
            %s
                private final Context owner;
                private final long ctx;
            %s
                /** Binds the ops of the context's backend, or of the same backend with other overlays of its ops. */
                public OpBindings(Context owner, Backend backend) {
                    this.owner = owner;
                    ctx = owner.handle();
            %s    }

                private static long at(Tensor tensor) {
                    return tensor == null ? 0 : tensor.address();
                }

                private static long at(Weight weight) {
                    return weight.address();
                }

                private static long at(Batch batch) {
                    return batch.address();
                }
            %s}
            """;

    private static final String RUNTIME_FUNCTIONS = """
            package org.ingrain.ffi;

            import java.lang.foreign.MemorySegment;
            import java.lang.invoke.MethodHandle;
            import java.util.Map;

            /**
             * The functions of ingrain.h that are not ops, generated from the header. A method whose first parameter is
             * a context throws a BackendException if the function fails.
             */
            final class RuntimeBindings {
            %s%s
                RuntimeBindings(Backend backend) {
            %s    }

                /** Throws an exception with the context's last error if status is not 0. */
                void check(String operation, long ctx, int status) {
                    if (status != 0) {
                        String error = MemorySegment.ofAddress(lastError(ctx)).reinterpret(4096).getString(0);
                        Native.check(operation, error, status);
                    }
                }
            %s}
            """;

    /**
     * A parameter of a function, or the function's result.
     *
     * @param name   name in Java
     * @param letter letter that stands for the type; the end of {@code ingrain.h} lists the letters
     */
    private record Parameter(String name, char letter) {
        String declared() {
            return type() + " " + name;
        }

        String type() {
            return letter == 'i' ? "int" : letter == 'f' ? "float" : "long";
        }

        String declaredByOp() {
            String java = letter == 'p' ? "Tensor" : letter == 'w' ? "Weight" : letter == 'b' ? "Batch" : type();
            return java + " " + name;
        }

        String passedByOp() {
            return "pwb".indexOf(letter) < 0 ? name : "at(" + name + ")";
        }
    }

    /**
     * A function of the header.
     *
     * @param symbol     name without {@code ingrain_}
     * @param checked    whether the function has a context and returns a status; if so, the context's last error
     *                   explains a failure
     * @param result     letter of the result's type
     * @param parameters parameters in order
     */
    private record Declaration(String symbol, boolean checked, char result, List<Parameter> parameters) {
        String name() {
            return camelCase(symbol);
        }

        String letters() {
            return result + parameters.stream().map(parameter -> "" + parameter.letter).collect(Collectors.joining());
        }

        /** The class whose field HANDLE is the method handle. Pointers are passed as 64-bit integers. */
        String handle() {
            return letters().replaceAll("[pwb]", "l").toUpperCase();
        }

        String runtimeMethod() {
            String declared = parameters.stream().map(Parameter::declared).collect(Collectors.joining(", "));
            String passed = parameters.stream().map(parameter -> ", " + parameter.name).collect(Collectors.joining());
            String type = new Parameter("", result).type();
            return method((checked ? "void " : type + " ") + name() + "(" + declared + ")", type, passed,
                    checked ? "check(\"%s\", ctx, result);".formatted(symbol) : "return result;");
        }

        String opMethod() {
            List<Parameter> rest = parameters.subList(1, parameters.size());
            String declared = rest.stream().map(Parameter::declaredByOp).collect(Collectors.joining(", "));
            String passed = rest.stream().map(parameter -> ", " + parameter.passedByOp()).collect(Collectors.joining());
            return method("public void " + name() + "(" + declared + ")", "int", ", ctx" + passed,
                    "owner.check(\"%s\", result);".formatted(symbol));
        }

        /**
         * The method has no lambda, because a lambda would cost time: a step of a small model makes hundreds of calls.
         */
        private String method(String head, String type, String passed, String then) {
            return """

                        %s {
                            %s result;
                            try {
                                result = (%s) %s.HANDLE.invokeExact(%s%s);
                            } catch (Throwable failure) {
                                throw Native.thrown(failure);
                            }
                            %s
                        }
                    """.formatted(head, type, type, handle(), name(), passed, then);
        }
    }

    public static void main(String[] arguments) throws IOException {
        List<Declaration> functions = parse(Files.readString(Path.of(arguments[0])).replaceAll("//[^\n]*", ""));
        Predicate<Declaration> isRuntime = function -> RUNTIME.matcher(function.symbol).matches();
        Path folder = Files.createDirectories(Path.of(arguments[1], "org", "ingrain", "ffi"));
        write(folder.resolve("OpBindings.java"), OPS, functions.stream().filter(isRuntime.negate()).toList(),
                op -> "backend.op(\"%s\", \"%s\")".formatted(op.symbol, op.letters()), Declaration::opMethod);
        write(folder.resolve("RuntimeBindings.java"), RUNTIME_FUNCTIONS, functions.stream().filter(isRuntime).toList(),
                function -> "backend.runtime(\"%s\")".formatted(function.symbol), Declaration::runtimeMethod);
    }

    private static List<Declaration> parse(String header) {
        List<Declaration> functions = new ArrayList<>();
        for (Matcher m = FUNCTION.matcher(header); m.find();) {
            String list = FUNCTION_POINTER.matcher(m.group(3)).replaceAll("* $1").strip();
            List<Parameter> parameters = list.equals("void") ? List.of()
                    : Pattern.compile(",").splitAsStream(list).map(Bindings::parameter).toList();
            boolean checked = m.group(1).strip().equals("ingrain_status") && list.startsWith("ingrain_context* ctx");
            functions.add(new Declaration(m.group(2), checked, letter(m.group(1)), parameters));
        }
        return functions;
    }

    private static Parameter parameter(String declared) {
        Matcher name = Pattern.compile("\\w+$").matcher(declared.strip());
        if (!name.find()) {
            throw new IllegalArgumentException("the header's parameter '" + declared + "' has no name");
        }
        return new Parameter(camelCase(name.group()), letter(declared.strip().substring(0, name.start())));
    }

    private static char letter(String type) {
        return switch (type.replaceAll("\\s+", "")) {
            case "int32_t", "ingrain_status" -> 'i';
            case "int64_t" -> 'l';
            case "float" -> 'f';
            case "constingrain_weight*" -> 'w';
            case "constingrain_batch*" -> 'b';
            default -> {
                if (!type.contains("*")) {
                    throw new IllegalArgumentException("the header's type '" + type + "' has no letter");
                }
                yield 'p';
            }
        };
    }

    private static String camelCase(String name) {
        return Pattern.compile("_(\\w)").matcher(name).replaceAll(m -> m.group(1).toUpperCase());
    }

    private static void write(Path file, String template, List<Declaration> functions,
            Function<Declaration, String> bound, Function<Declaration, String> method) throws IOException {
        // Each handle has its own class, so that it is linked at its first use: linking takes milliseconds.
        String handle = """
                    private static final class %s {
                        static final MethodHandle HANDLE = Signature.handle("%s");
                    }

                """;
        String handles = functions.stream().map(f -> handle.formatted(f.handle(), f.handle().toLowerCase()))
                .distinct().collect(Collectors.joining());
        String table = "    /** The signature of each function, by the function's name. */\n"
                + "    static final Map<String, String> SIGNATURES = Map.ofEntries(";
        String signatures = functions.stream().map(f -> "Map.entry(\"%s\", \"%s\")".formatted(f.symbol, f.letters()))
                .collect(Collectors.joining(",\n            ", table + "\n            ", ");\n"));
        String fields = joined(functions, f -> "    private final MemorySegment %s;\n".formatted(f.name()));
        String binds = joined(functions, f -> "        %s = %s;\n".formatted(f.name(), bound.apply(f)));
        String source = template.formatted(handles + signatures, fields, binds, joined(functions, method));
        // Unchanged sources are not compiled again.
        if (!Files.exists(file) || !Files.readString(file).equals(source)) {
            Files.writeString(file, source);
        }
    }

    private static String joined(List<Declaration> functions, Function<Declaration, String> text) {
        return functions.stream().map(text).collect(Collectors.joining());
    }
}
