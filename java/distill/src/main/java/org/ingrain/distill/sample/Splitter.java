package org.ingrain.distill.sample;

import java.util.List;

/** Splits a text into parts. The next step of the plan has one prompt for each part. */
@FunctionalInterface
public interface Splitter {
    List<String> parts(String text);

    /** Name of a part. Prompts can contain it. */
    default String name(String part) {
        return part;
    }
}
