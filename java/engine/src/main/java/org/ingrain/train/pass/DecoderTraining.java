package org.ingrain.train.pass;

import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Group;
import org.ingrain.model.Group.Role;
import org.ingrain.model.RopeTable;
import org.ingrain.model.Weights;
import org.ingrain.ops.AttentionState;
import org.ingrain.ops.Ops;
import org.ingrain.ops.QkNorm;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.train.data.MicroBatch;

/**
 * Forward and backward pass of the decoder over packed sequences. The backward pass processes the layers from last to
 * first. At each matmul, the backward pass computes the gradient of the input, and {@link Parameters#backward} adds the
 * gradients of the trained parameters. Gradients of frozen weights are not computed. The backward pass ends at the
 * first matmul, in forward order, that has trained parameters. The loss is computed only for target rows, in chunks, so
 * that only the logits of one chunk are in memory. If the model is sharded, all ranks make the same calls in the same
 * order, and {@link RankSums} computes the sums over ranks.
 */
public final class DecoderTraining implements AutoCloseable {
    private final Allocator.Scope scope;
    private final Context context;
    private final Weights weights;
    private final Blueprint config;
    private final Parameters parameters;
    private final TrainingMemory memory;
    private final Ops ops;
    private final Ops.Heads heads;
    /** The operands of attention: BF16 if the weights are not f32, because matrix products then round to bf16 too. */
    private final DType operands;
    private final float eps;
    private final Tensor ropeTable;
    private final TrainingActivations activations;
    private final TrainingInputs inputs;
    /** Null if the model is not sharded. */
    private final RankSums sums;

    public DecoderTraining(Allocator allocator, Weights weights, Parameters parameters, TrainingMemory memory) {
        scope = new Allocator.Scope(allocator);
        context = scope.context();
        this.weights = weights;
        this.parameters = parameters;
        this.memory = memory;
        config = weights.config();
        ops = new Ops(context);
        heads = config.attention().heads(weights.rank());
        operands = weights.layers().getFirst().qkvProj().dtype() == DType.F32 ? DType.F32 : DType.BF16;
        eps = (float) config.rmsNormEps();
        ropeTable = RopeTable.allocate(scope, config, memory.limits().tokens());
        activations = new TrainingActivations(scope, weights, memory);
        inputs = new TrainingInputs(scope, memory.limits());
        sums = RankSums.of(scope, weights, memory.limits());
        weights.reserveWorkspace(scope, memory.limits().tokens(), true);
    }

    /** Returns the sum of −log p over the targets of a batch, computed without dropout. The gradients do not change. */
    public double loss(MicroBatch batch) {
        parameters.begin(0, 0);
        inputs.upload(batch);
        forward(batch.tokens());
        return new LossHead(batch.targetCount(), batch.tokens()).forward();
    }

    /**
     * Computes the gradients of {@code scale} times the sum of −log p over the targets of the batch, and adds them to
     * {@link Parameters#flat}.
     *
     * @param step       optimizer step, from 1
     * @param microBatch index of the micro-batch in the step, from 0
     * @param scale      1 divided by the number of targets of the step
     * @return the sum of −log p, not scaled
     */
    public double accumulate(MicroBatch batch, int step, int microBatch, float scale) {
        parameters.begin(step, microBatch);
        inputs.upload(batch);
        forward(batch.tokens());
        LossHead head = new LossHead(batch.targetCount(), batch.tokens());
        head.forwardBackward(scale);
        backward(batch.tokens());
        parameters.end();
        return head.sum();
    }

    private TrainingActivations.Layer kept(int layer, int t) {
        return activations.layer(memory.slot(config, layer), t);
    }

    private void forward(int t) {
        TrainingActivations.Rows rows = activations.rows(t);
        ops.embedding(activations.input(0, t), inputs.ids(), weights.embedTokens());
        parameters.embeddingForward(activations.input(0, t), inputs.ids());
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            Tensor norm = weights.layers().get(i).inputLayernorm();
            TrainingActivations.Layer kept = kept(i, t);
            if (i == 0) {
                ops.rmsNorm(rows.x(), kept.inputRstd(), activations.input(0, t), norm, eps);
            } else {
                ops.addRmsNorm(rows.x(), activations.input(i, t), kept.inputRstd(), kept(i - 1, t).middle(),
                        rows.delta(), norm, eps);
            }
            block(i, t);
            linear(Role.DOWN_PROJ.of(i), rows.delta(), rows.gated());
        }
    }

    /**
     * Runs the ops of layer i after the first norm and before down_proj; {@code rows.x()} must contain the output of
     * the first norm.
     */
    private void block(int i, int t) {
        TrainingActivations.Rows rows = activations.rows(t);
        TrainingActivations.Layer kept = kept(i, t);
        queriesKeysValues(i, kept, rows.x());
        ops.rope(kept.qkv(), ropeTable, inputs.positions(), heads);
        ops.attention(attention(kept), heads);
        linear(Role.O_PROJ.of(i), rows.delta(), kept.attention());
        ops.addRmsNorm(rows.x(), kept.middle(), kept.postRstd(), activations.input(i, t), rows.delta(),
                weights.layers().get(i).postAttentionLayernorm(), eps);
        linear(Role.GATE_UP_PROJ.of(i), kept.gateUp(), rows.x());
        ops.siluMul(rows.gated(), kept.gateUp());
    }

    /** Inputs and outputs of attention. */
    private AttentionState attention(TrainingActivations.Layer kept) {
        return new AttentionState(kept.qkv(), kept.attention(), kept.lse(), inputs.offsets(), operands);
    }

    /** Computes {@code kept.qkv()} without rope: the projection, its bias, the adapter and the QK norm. */
    private void queriesKeysValues(int i, TrainingActivations.Layer kept, Tensor x) {
        Weights.Layer layer = weights.layers().get(i);
        Tensor qkv = layer.qkNorm() == null ? kept.qkv() : kept.projected();
        ops.matmul(qkv, x, layer.qkvProj());
        if (layer.qkvBias() != null) {
            ops.addBias(qkv, layer.qkvBias());
        }
        parameters.forward(Role.QKV_PROJ.of(i), qkv, x);
        if (layer.qkNorm() != null) {
            ops.qkNorm(kept.qkv(), kept.headRstd(), qkv, layer.qkNorm(), heads, eps);
        }
    }

    /**
     * Executes the backward pass of QK norm and bias. On entry, {@code dqkv} is the gradient of the result of {@link
     * #queriesKeysValues}; on return, it is the gradient of the matmul's output.
     */
    private void queriesKeysValuesBackward(int i, TrainingActivations.Layer kept, Tensor dqkv) {
        Weights.Layer layer = weights.layers().get(i);
        if (layer.qkNorm() != null) {
            QkNorm gradients = new QkNorm(parameters.gradient(Role.Q_NORM.of(i)),
                    parameters.gradient(Role.K_NORM.of(i)));
            ops.qkNormBackward(dqkv, gradients, kept.projected(), layer.qkNorm(), kept.headRstd(), heads);
        }
        Tensor biasGradient = parameters.gradient(Role.QKV_BIAS.of(i));
        if (biasGradient != null) {
            ops.addBiasBackward(biasGradient, dqkv);
        }
    }

    private void linear(Group group, Tensor y, Tensor x) {
        if (sums != null && readsShare(group)) {
            sums.product(y, x, weights.matrix(group));
        } else {
            ops.matmul(y, x, weights.matrix(group));
        }
        parameters.forward(group, y, x);
    }

    private void backward(int t) {
        for (int i = config.numHiddenLayers() - 1; i >= 0; i--) {
            if (memory.recomputes(config, i)) {
                recompute(i, t);
            }
            if (!feedForwardBackward(i, t) || !attentionBackward(i, t)) {
                return;
            }
        }
        // This point is reached only if the embedding is trained.
        parameters.embeddingBackward(activations.gradients(t).stream(), inputs.ids());
    }

    /** Recomputes a layer's activations, because other layers have overwritten them. */
    private void recompute(int i, int t) {
        TrainingActivations.Rows rows = activations.rows(t);
        Tensor norm = weights.layers().get(i).inputLayernorm();
        ops.rmsNorm(rows.x(), kept(i, t).inputRstd(), activations.input(i, t), norm, eps);
        block(i, t);
        parameters.forward(Role.DOWN_PROJ.of(i), rows.delta(), rows.gated());
    }

    /**
     * Executes the backward pass of the feed-forward half of layer i. Stops at a matmul and returns false if all
     * parameters that the forward pass uses before this matmul are frozen. The whole backward pass then ends.
     */
    private boolean feedForwardBackward(int i, int t) {
        TrainingActivations.Rows rows = activations.rows(t);
        TrainingActivations.Layer kept = kept(i, t);
        TrainingActivations.Gradients d = activations.gradients(t);
        Tensor norm = weights.layers().get(i).postAttentionLayernorm();
        ops.siluMul(rows.gated(), kept.gateUp());
        if (!linearBackward(Role.DOWN_PROJ.of(i), d.gated(), d.stream(), rows.gated())) {
            return false;
        }
        ops.siluMulBackward(d.gateUp(), d.gated(), kept.gateUp());
        ops.rmsNorm(rows.x(), null, kept.middle(), norm, eps);
        if (!linearBackward(Role.GATE_UP_PROJ.of(i), d.x(), d.gateUp(), rows.x())) {
            return false;
        }
        ops.rmsNormBackward(d.stream(), parameters.gradient(Role.POST_ATTENTION_LAYERNORM.of(i)), d.x(), d.stream(),
                kept.middle(), norm, kept.postRstd());
        return true;
    }

    /**
     * Executes the backward pass of the attention half of layer i. Stops at a matmul and returns false if all
     * parameters that the forward pass uses before this matmul are frozen. The whole backward pass then ends.
     */
    private boolean attentionBackward(int i, int t) {
        TrainingActivations.Rows rows = activations.rows(t);
        TrainingActivations.Layer kept = kept(i, t);
        TrainingActivations.Gradients d = activations.gradients(t);
        Tensor norm = weights.layers().get(i).inputLayernorm();
        if (!linearBackward(Role.O_PROJ.of(i), d.attention(), d.stream(), kept.attention())) {
            return false;
        }
        ops.attentionBackward(d.qkv(), d.delta(), d.sums(), d.attention(), attention(kept), heads);
        ops.ropeBackward(d.qkv(), ropeTable, inputs.positions(), heads);
        queriesKeysValuesBackward(i, kept, d.qkv());
        ops.rmsNorm(rows.x(), null, activations.input(i, t), norm, eps);
        if (!linearBackward(Role.QKV_PROJ.of(i), d.x(), d.qkv(), rows.x())) {
            return false;
        }
        ops.rmsNormBackward(d.stream(), parameters.gradient(Role.INPUT_LAYERNORM.of(i)), d.x(), d.stream(),
                activations.input(i, t), norm, kept.inputRstd());
        return true;
    }

    /**
     * Computes the gradients of one matmul. If all parameters that the forward pass uses before this matmul are frozen,
     * the method does not set dx and returns false.
     */
    private boolean linearBackward(Group group, Tensor dx, Tensor dy, Tensor x) {
        boolean below = group.compareTo(parameters.lowest()) > 0;
        if (below && sums != null && !readsShare(group)) {
            sums.gradient(dx, dy, weights.matrix(group));
        } else if (below) {
            ops.matmulBackward(dx, dy, weights.matrix(group), 0);
        }
        parameters.backward(group, below ? dx : null, dy, x);
        return below;
    }

    /**
     * True if the columns of the group's weight are sharded; the input of the matmul is then sharded too. False if the
     * rows of the weight are sharded; the output of the matmul is then sharded too.
     */
    private static boolean readsShare(Group group) {
        return group.role() == Role.O_PROJ || group.role() == Role.DOWN_PROJ;
    }

    /** The last norm, lm_head and the cross-entropy, for the M rows that predict targets. */
    private final class LossHead {
        private final TrainingActivations.Head head;
        private final int m;
        private final int t;

        LossHead(int m, int t) {
            head = activations.head(m);
            this.m = m;
            this.t = t;
        }

        double forward() {
            select();
            for (int begin = 0; begin < m; begin += TrainingActivations.HEAD_ROWS) {
                chunk(begin, false, 0);
            }
            return sum();
        }

        /** Enqueues the computation of the losses and of the gradient of the residual stream. Does not synchronize. */
        void forwardBackward(float scale) {
            select();
            for (int begin = 0; begin < m; begin += TrainingActivations.HEAD_ROWS) {
                chunk(begin, true, scale);
            }
            ops.rmsNormBackward(head.x(), parameters.gradient(Group.NORM), head.added(), null, head.stream(),
                    weights.norm(), head.rstd());
            ops.gatherRowsBackward(activations.gradients(t).stream(), head.x(), inputs.targetRows());
        }

        private void select() {
            ops.gatherRows(head.stream(), kept(config.numHiddenLayers() - 1, t).middle(), inputs.targetRows());
            ops.gatherRows(head.added(), activations.rows(t).delta(), inputs.targetRows());
            ops.addRmsNorm(head.x(), head.stream(), head.rstd(), head.stream(), head.added(), weights.norm(), eps);
        }

        /**
         * Computes the losses of the chunk that starts at row {@code begin}. If {@code backward} is true, also computes
         * the gradient of x and stores it in {@code head.added()}.
         */
        private void chunk(int begin, boolean backward, float scale) {
            int end = Math.min(begin + TrainingActivations.HEAD_ROWS, m);
            Tensor x = head.x().rows(begin, end);
            Tensor targets = inputs.targets().rows(begin, end);
            Tensor logits = head.logits().rows(0, end - begin);
            Tensor lse = head.lse().rows(0, end - begin);
            if (sums == null) {
                ops.matmul(logits, x, weights.lmHead());
            } else {
                sums.logits(logits, x, weights.lmHead());
            }
            parameters.forward(Group.LM_HEAD, logits, x);
            ops.crossEntropy(head.loss().rows(begin, end), lse, logits, targets);
            if (backward) {
                Tensor dlogits = head.dlogits().rows(0, end - begin);
                ops.crossEntropyBackward(dlogits, logits, lse, targets, scale);
                Tensor dx = head.added().rows(begin, end);
                if (sums == null) {
                    ops.matmulBackward(dx, dlogits, weights.lmHead(), 0);
                } else {
                    sums.logitsGradient(dx, dlogits, weights.lmHead());
                }
                parameters.backward(Group.LM_HEAD, dx, dlogits, x);
            }
        }

        /** Waits for the losses and returns their sum. */
        double sum() {
            double sum = 0;
            for (float loss : context.readFloats(head.loss())) {
                sum += loss;
            }
            return sum;
        }
    }

    @Override
    public void close() {
        scope.close();
    }
}
