package org.ingrain.model;

import org.ingrain.tensor.HostTensor;

/** The source of a model's parameters: a checkpoint folder, or memory. */
public interface WeightSource {
    /**
     * The parameter with this Hugging Face name. If the parameter is missing, throws an InputException that names file
     * and tensor.
     */
    HostTensor tensor(String name);
}
