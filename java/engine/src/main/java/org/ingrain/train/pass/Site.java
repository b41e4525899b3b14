package org.ingrain.train.pass;

import java.util.List;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Projection;
import org.ingrain.model.Weights;
import org.ingrain.tensor.Weight;

/** The four matrix products of a block, in the order of the forward pass; q, k, v are one and gate, up are one. */
enum Site {
    QKV(Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ), O(Projection.O_PROJ),
    GATE_UP(Projection.GATE_PROJ, Projection.UP_PROJ), DOWN(Projection.DOWN_PROJ);

    private final List<Projection> projections;

    Site(Projection... projections) {
        this.projections = List.of(projections);
    }

    /** What is fused here, from the first row on. */
    List<Projection> projections() {
        return projections;
    }

    Weight weight(Weights.Layer layer) {
        return switch (this) {
            case QKV -> layer.qkvProj();
            case O -> layer.oProj();
            case GATE_UP -> layer.gateUpProj();
            case DOWN -> layer.downProj();
        };
    }

    /** Output features N of all that is fused. */
    long rows(Blueprint config) {
        return projections.stream().mapToLong(p -> p.rows(config)).sum();
    }

    /** Input features C. */
    long columns(Blueprint config) {
        return projections.getFirst().columns(config);
    }

    /** Place among all products of the model, counted from the embedding. */
    int depth(int layer) {
        return layer * values().length + ordinal();
    }
}
