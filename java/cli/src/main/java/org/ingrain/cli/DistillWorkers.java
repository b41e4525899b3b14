package org.ingrain.cli;

import java.nio.file.Path;
import java.util.SortedMap;
import org.ingrain.cli.flags.BatchFlags;
import org.ingrain.cli.flags.ClusterFlags;
import org.ingrain.cli.flags.TeacherFlags.OpenTeacher;
import org.ingrain.cli.progress.LoadProgress;
import org.ingrain.distill.Provenance;
import org.ingrain.distill.engine.EngineAnswerer;
import org.ingrain.distill.engine.EngineTuner;
import org.ingrain.distill.engine.ModelEngines;
import org.ingrain.distill.engine.ModelsAnswerer;
import org.ingrain.distill.engine.ModelsTuner;
import org.ingrain.distill.engine.TunerConfig;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TeacherAnswerer;
import org.ingrain.distill.model.Tuner;
import org.ingrain.engine.Engine;
import org.ingrain.engine.Fingerprint;
import org.ingrain.model.AdapterBank;

/**
 * The models that answer and the tuner that trains the students of a distillation. If the run needs only the base
 * model, sampling and training share its weights. If the teacher is another whole model, or if all weights of the
 * students are trained, a run needs several whole models. Then at most one of them is in memory at a time.
 *
 * @param engine  engine of the students' base model
 * @param teacher null if the base model is the teacher
 * @param models  engines of the whole models; null if the run needs only the base model
 */
record DistillWorkers(Engine engine, BatchFlags batch, ClusterFlags cluster, OpenTeacher teacher, ModelEngines models) {
    static DistillWorkers of(Engine engine, BatchFlags batch, ClusterFlags cluster, OpenTeacher teacher,
            TunerConfig train) {
        if (train.full()) {
            engine.requireFullTraining();
        }
        boolean several = train.full() || teacher != null && teacher.weights() instanceof ModelState.Model;
        return new DistillWorkers(engine, batch, cluster, teacher, several ? new ModelEngines(
                folder -> open(engine, folder), own -> new EngineAnswerer(own, own.generator(batch.config(own),
                        limits(train, teacher)))) : null);
    }

    /** Limits that admit both the students' adapters and the teacher's adapter. */
    private static AdapterBank.Limits limits(TunerConfig train, OpenTeacher teacher) {
        return teacher == null ? train.limits() : train.limits().or(teacher.limits());
    }

    private static Engine open(Engine base, Path folder) {
        return Engine.open(base.options().withModel(folder), new LoadProgress(folder));
    }

    /** The engine properties on which generated texts depend, including the context length. */
    static SortedMap<String, String> properties(Engine engine, BatchFlags batch) {
        SortedMap<String, String> all = engine.fingerprint();
        all.put("context", String.valueOf(batch.config(engine).contextLength()));
        return all;
    }

    static Provenance provenance(Engine engine, BatchFlags batch) {
        return new Provenance(Fingerprint.version(), engine.options().model(), properties(engine, batch));
    }

    Provenance provenance() {
        Provenance own = provenance(engine, batch);
        return teacher == null ? own : own.with(teacher.provenance());
    }

    Answerer answerer(TunerConfig train) {
        Answerer students = models != null ? new ModelsAnswerer(models, engine.options().model())
                : cluster.answerer(engine, batch.config(engine), limits(train, teacher));
        return teacher == null ? students : new TeacherAnswerer(students,
                teacher.server() != null ? teacher.server() : students, teacher.weights());
    }

    Tuner tuner(TunerConfig train) {
        SortedMap<String, String> properties = properties(engine, batch);
        return models != null ? new ModelsTuner(models, engine, train, properties)
                : new EngineTuner(engine, train, properties);
    }
}
