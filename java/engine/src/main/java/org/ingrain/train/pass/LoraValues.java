package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.ingrain.ffi.Context;
import org.ingrain.model.Blueprint;
import org.ingrain.model.LoraModule;
import org.ingrain.model.ParameterTable;
import org.ingrain.model.Projection;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;
import org.ingrain.train.data.CounterRandom;

/**
 * Creates the initial values of an adapter on the host, and converts between a rank's flat memory and PEFT's matrices.
 * For the embedding, the flat memory contains the transpose of A.
 */
record LoraValues(Context context, FlatParameters flat, LoraConfig lora) {
    /** The part of one matrix that a rank stores. */
    private record Piece(FlatParameters.Slot slot, List<LoraShare.Run> runs) {
        static Piece a(LoraSites.Site site) {
            return new Piece(site.a(), site.share().runsA());
        }

        static Piece b(LoraSites.Site site) {
            return new Piece(site.b(), site.share().runsB());
        }

        /** Returns the whole bias, because adapters with biases are trained only on an unsharded model. */
        static Piece bias(LoraSites.Site site) {
            return new Piece(site.bias(), List.of(new LoraShare.Run(0, 0, site.share().rows())));
        }
    }

    /**
     * Returns the initial values of A, or for the embedding those of B, with PEFT's distribution. The other matrix is
     * zero at the start.
     */
    static float[] first(LoraSites.Site site, CounterRandom random) {
        LoraShare share = site.share();
        if (site.projection() == Projection.EMBED_TOKENS) {   // normal(0, 1) by the Box–Muller method
            float[] values = new float[Math.toIntExact(share.rows() * share.r())];
            for (int i = 0; i < values.length; i++) {
                double radius = Math.sqrt(-2 * Math.log(1 - random.uniform(2L * i)));
                values[i] = (float) (radius * Math.cos(2 * Math.PI * random.uniform(2L * i + 1)));
            }
            return values;
        }
        float bound = (float) (1 / Math.sqrt(share.columns()));
        float[] values = new float[Math.toIntExact(share.r() * share.ownColumns())];
        for (LoraShare.Run run : share.runsA()) {
            for (int j = 0; j < run.elements(); j++) {
                values[Math.toIntExact(run.own() + j)] = bound * (2 * random.uniform(run.whole() + j) - 1);
            }
        }
        return values;
    }

    /**
     * Checks that an adapter has the shape that {@code lora} describes, so that training can start with the adapter's
     * values.
     *
     * @throws InputException if the rank, scaling, biases or modules of the adapter differ from those that {@code lora}
     *         describes
     */
    static void requireTrained(List<LoraModule> adapter, LoraConfig lora, Blueprint config) {
        Set<ParameterTable.Site> trained = config.parameters().adaptable().stream()
                .filter(site -> lora.targetModules().contains(site.projection())).collect(Collectors.toSet());
        if (adapter.size() != trained.size()) {
            throw InputException.field("adapter", adapter.size() + " adapted projections, expected "
                    + trained.size() + " as in this run");
        }
        for (LoraModule module : adapter) {
            boolean known = trained.contains(new ParameterTable.Site(module.layer(), module.projection()));
            if (!known || module.rank() != lora.rank() || module.scaling() != lora.scaling()
                    || (module.bias() != null) != lora.loraBias()) {
                throw InputException.field("adapter", module.projection().module(module.layer()) + " has rank "
                        + module.rank() + " and scaling " + module.scaling()
                        + (module.bias() == null ? "" : " and a bias") + ", expected "
                        + (known ? lora.rank() + " and " + lora.scaling() + (lora.loraBias() ? " and a bias" : "")
                        : "no module there"));
            }
        }
    }

    /**
     * Writes this rank's shard of an adapter's values to the flat memory. {@link #requireTrained} must accept the
     * adapter.
     */
    void load(List<LoraModule> adapter, List<LoraSites.Site> sites) {
        for (LoraModule module : adapter) {
            LoraSites.Site site = find(sites, module.layer(), module.projection());
            boolean embedding = module.projection() == Projection.EMBED_TOKENS;
            write(Piece.a(site), embedding ? LoraModule.transposed(module.a(), lora.rank()) : module.a());
            write(Piece.b(site), module.b());
            if (site.bias() != null) {
                write(Piece.bias(site), module.bias());
            }
        }
    }

    private void write(Piece piece, float[] whole) {
        Tensor target = flat.value(piece.slot);
        float[] own = new float[Math.toIntExact(target.elements())];
        for (LoraShare.Run run : piece.runs) {
            System.arraycopy(whole, (int) run.whole(), own, (int) run.own(), (int) run.elements());
        }
        context.write(target, own);
    }

    /**
     * Assembles the modules of an adapter from the shards of all ranks of one replica. {@code sites} contains one list
     * of sites for each rank.
     */
    static List<LoraModule> modules(List<LoraValues> ranks, List<List<LoraSites.Site>> sites) {
        List<LoraModule> modules = new ArrayList<>();
        LoraConfig lora = ranks.getFirst().lora;
        for (LoraSites.Site site : sites.getFirst()) {
            LoraShare share = site.share();
            float[] a = new float[Math.toIntExact(share.r() * share.columns())];
            float[] b = new float[Math.toIntExact(share.rows() * share.r())];
            float[] bias = site.bias() == null ? null : new float[Math.toIntExact(share.rows())];
            for (int i = 0; i < ranks.size(); i++) {
                LoraSites.Site part = find(sites.get(i), site.layer(), site.projection());
                ranks.get(i).read(a, Piece.a(part));
                ranks.get(i).read(b, Piece.b(part));
                if (bias != null) {
                    ranks.get(i).read(bias, Piece.bias(part));
                }
            }
            boolean embedding = site.projection() == Projection.EMBED_TOKENS;
            modules.add(new LoraModule(site.layer(), site.projection(), lora.rank(), lora.scaling(),
                    embedding ? LoraModule.transposed(a, a.length / lora.rank()) : a, b, bias));
        }
        return modules;
    }

    private void read(float[] whole, Piece piece) {
        float[] own = context.readFloats(flat.value(piece.slot));
        for (LoraShare.Run run : piece.runs) {
            System.arraycopy(own, (int) run.own(), whole, (int) run.whole(), (int) run.elements());
        }
    }

    private static LoraSites.Site find(List<LoraSites.Site> sites, int layer, Projection projection) {
        return sites.stream().filter(site -> site.layer() == layer && site.projection() == projection).findFirst()
                .orElse(null);
    }
}
