package org.ingrain.distill.sample;

import java.util.List;

/** Parts a text into pieces, for each of which the next step of a plan asks once. */
@FunctionalInterface
public interface Fan {
    List<String> parts(String text);
}
