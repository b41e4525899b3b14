package org.ingrain.model;

import org.ingrain.tensor.HostTensor;

/** Where a model's parameters come from: a checkpoint folder, or memory. */
public interface WeightSource {
    /** The parameter of this Hugging Face name; an InputException names the file and the tensor where it is missing. */
    HostTensor tensor(String name);
}
