package org.ingrain.djl;

import ai.djl.ndarray.NDList;
import ai.djl.translate.Batchifier;

/** Combines the inputs of a batch in one NDList, so that the block receives all of them in one call. */
final class ListBatchifier implements Batchifier {
    private static final long serialVersionUID = 1;

    @Override
    public NDList batchify(NDList[] inputs) {
        NDList all = new NDList();
        for (NDList input : inputs) {
            all.addAll(input);
        }
        return all;
    }

    @Override
    public NDList[] unbatchify(NDList outputs) {
        return outputs.stream().map(NDList::new).toArray(NDList[]::new);
    }
}
