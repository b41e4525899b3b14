package org.ingrain.model;

import org.ingrain.tensor.HostTensor;

/** The source of a model's parameters: a checkpoint folder, or memory. */
public interface WeightSource {
    /**
     * The parameter with this Hugging Face name. If the parameter is missing, throws an InputException that names file
     * and tensor.
     */
    HostTensor tensor(String name);

    /**
     * A matrix that is stored as integers with scales; null if it is stored as floats. If parts of the matrix are
     * missing or have a wrong shape, throws an InputException that names file and tensor.
     */
    default QuantizedMatrix quantized(Parameter matrix) {
        return null;
    }
}
