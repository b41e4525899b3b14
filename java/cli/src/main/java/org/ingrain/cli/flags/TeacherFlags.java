package org.ingrain.cli.flags;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.ingrain.distill.Provenance;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.remote.RemoteAnswerer;
import org.ingrain.distill.remote.RemoteConfig;
import org.ingrain.engine.Engine;
import org.ingrain.files.Digest;
import org.ingrain.files.DurableFile;
import org.ingrain.model.AdapterBank;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Option;

/** Flags for a teacher that is a different model from the student. */
@Heading.Under(Heading.TEACHER)
public final class TeacherFlags {
    @Option(names = "--teacher", paramLabel = "URL|DIR",
            description = "Model that answers with System 2 and that the student learns from: the base URL of a server "
            + "with OpenAI's API (http://localhost:8000/v1), a model folder, or a PEFT adapter of --model (default: "
            + "--model itself).")
    String teacher;

    @Option(names = "--teacher-model", paramLabel = "NAME",
            description = "Name of the server's model in requests (default: the server's only model).")
    String teacherModel;

    @Option(names = "--teacher-key-file", paramLabel = "FILE",
            description = "File whose first line is the server's API key (default: no key).")
    Path teacherKeyFile;

    @Option(names = "--teacher-key-env", paramLabel = "NAME",
            description = "Name of the environment variable with the server's API key (default: no key).")
    String teacherKeyEnv;

    @Option(names = "--teacher-requests", defaultValue = "16", paramLabel = "N",
            description = "Maximum number of requests to the server at once (default: ${DEFAULT-VALUE}).")
    int teacherRequests;

    @Option(names = "--teacher-rate", defaultValue = "0", paramLabel = "N",
            description = "Maximum number of requests per minute; 0 for no limit (default: ${DEFAULT-VALUE}).")
    int teacherRate;

    @Option(names = "--teacher-timeout", defaultValue = "600", paramLabel = "SECONDS",
            description = "Time limit of a request (default: ${DEFAULT-VALUE}).")
    long teacherTimeout;

    @Option(names = "--teacher-attempts", defaultValue = "8", paramLabel = "N",
            description = "Maximum number of attempts of a request that fails for a temporary reason, with increasing "
            + "waits (default: ${DEFAULT-VALUE}).")
    int teacherAttempts;

    /**
     * A teacher that is ready to answer.
     *
     * @param server  answerer that asks a server; null if the teacher is a model on this machine
     * @param weights the model state that is named in requests to the teacher
     * @param limits  limits of the teacher's adapter; limits with 0 slots if the teacher has no adapter
     */
    public record OpenTeacher(Provenance.Teacher provenance, RemoteAnswerer server, ModelState weights,
            AdapterBank.Limits limits) {
    }

    /** Returns whether the teacher is a different model from the student. */
    public boolean given() {
        return teacher != null;
    }

    /** Returns whether the teacher is a whole model on this machine. */
    public boolean isFolder() {
        return given() && !RemoteConfig.isUrl(teacher) && !isAdapter();
    }

    private boolean isAdapter() {
        return Files.exists(Path.of(teacher).resolve("adapter_config.json"));
    }

    /** Checks the flags as far as possible without a model and without a server. */
    public void check() {
        boolean url = given() && RemoteConfig.isUrl(teacher);
        if (!url && (teacherModel != null || teacherKeyFile != null || teacherKeyEnv != null)) {
            throw new InputException((teacherModel != null ? "--teacher-model" : teacherKeyFile != null
                    ? "--teacher-key-file" : "--teacher-key-env") + ": given without the URL of a server, expected "
                    + "--teacher URL");
        }
        if (url) {
            config();
            key();
        } else if (given() && !isAdapter() && !Files.exists(Path.of(teacher).resolve("config.json"))) {
            throw InputException.field("teacher", teacher + ", expected a URL (http://host/v1), a model folder with "
                    + "config.json, or a folder with adapter_config.json");
        }
    }

    /** Refuses a teacher other than the student, for a command that only measures the student. */
    public void requireNone(String flag) {
        if (given()) {
            throw InputException.field("teacher", teacher + " with " + flag
                    + ", expected none: the estimate is for --model on this machine");
        }
    }

    /** The value of --teacher for use in another working folder. If the value is a path, the result is absolute. */
    public String value() {
        return RemoteConfig.isUrl(teacher) ? teacher : Path.of(teacher).toAbsolutePath().normalize().toString();
    }

    /**
     * Connects to the server, or reads the files of the teacher's model or adapter.
     *
     * @param student    engine of the student
     * @param properties properties of the engine on which sampled texts depend
     * @param notice     receives a line when requests wait for a long time
     * @return null if the student is the teacher
     */
    public OpenTeacher open(Engine student, SortedMap<String, String> properties, Consumer<String> notice) {
        AdapterBank.Limits none = AdapterBank.Limits.of(0, 0);
        if (!given()) {
            return null;
        }
        if (RemoteConfig.isUrl(teacher)) {
            RemoteAnswerer server = RemoteAnswerer.connect(config(), key(), notice);
            SortedMap<String, String> identity = server.identity();
            String name = identity.get("model") + " at " + identity.get("url");
            return new OpenTeacher(new Provenance.Teacher(name, identity), server, new ModelState.Teacher(), none);
        }
        Path folder = Path.of(teacher);
        SortedMap<String, String> identity = new TreeMap<>(properties);
        Digest.model(folder).forEach((file, hash) -> identity.put("teacher " + file, hash));
        Provenance.Teacher provenance = new Provenance.Teacher(folder.toAbsolutePath().normalize().getFileName()
                .toString(), identity);
        if (!isAdapter()) {
            return new OpenTeacher(provenance, null, new ModelState.Model(folder), none);
        }
        Digest.model(student.options().model()).forEach((file, hash) -> identity.put("model " + file, hash));
        student.trainableAdapter(folder);   // an adapter that replaces parameters needs a generator of its own
        return new OpenTeacher(provenance, null, new ModelState.Adapter(folder),
                AdapterBank.Limits.of(student.adapter(folder)));
    }

    private RemoteConfig config() {
        return new RemoteConfig(RemoteConfig.url(teacher), teacherModel, teacherRequests, teacherRate,
                Duration.ofSeconds(teacherTimeout), teacherAttempts);
    }

    /** The API key; null if there is none. It is never printed or stored. */
    private String key() {
        if (teacherKeyFile != null && teacherKeyEnv != null) {
            throw new InputException("--teacher-key-file: given with --teacher-key-env, expected one of the two");
        }
        String key = teacherKeyEnv != null ? System.getenv(teacherKeyEnv) : teacherKeyFile == null
                ? null : DurableFile.read(teacherKeyFile).lines().findFirst().orElse("").strip();
        if (key == null && teacherKeyEnv != null) {
            throw InputException.field("teacherKeyEnv", teacherKeyEnv + ", expected an environment variable");
        }
        if (key != null && !key.matches("[\\x21-\\x7e]+")) {
            throw InputException.field(teacherKeyEnv != null ? "teacherKeyEnv" : "teacherKeyFile",
                    (teacherKeyEnv != null ? teacherKeyEnv : teacherKeyFile)
                            + ", expected a key of visible ASCII characters");
        }
        return key;
    }
}
