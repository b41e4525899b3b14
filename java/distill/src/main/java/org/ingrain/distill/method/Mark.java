package org.ingrain.distill.method;

import com.fasterxml.jackson.annotation.JsonProperty;

/** How sure it is that a prompt is worded as in the paper that it is taken from. */
public enum Mark {
    @JsonProperty("read") READ("read in the paper"),
    @JsonProperty("quoted") QUOTED("quoted by a secondary source"),
    @JsonProperty("recalled") RECALLED("recalled"),
    @JsonProperty("uncertain") UNCERTAIN("recalled, uncertain"),
    @JsonProperty("ours") OURS("our wording");

    private final String words;

    Mark(String words) {
        this.words = words;
    }

    /** For the report. */
    public String words() {
        return words;
    }
}
