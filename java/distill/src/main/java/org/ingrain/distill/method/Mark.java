package org.ingrain.distill.method;

import com.fasterxml.jackson.annotation.JsonProperty;

/** The source of a prompt's wording. */
public enum Mark {
    @JsonProperty("read") READ("read in the paper"),
    @JsonProperty("quoted") QUOTED("quoted by a secondary source"),
    @JsonProperty("recalled") RECALLED("recalled"),
    @JsonProperty("uncertain") UNCERTAIN("recalled, uncertain"),
    @JsonProperty("ours") OURS("our wording"),
    /** The mark of prompts that come from a user's own method file. */
    @JsonProperty("unstated") UNSTATED("source not stated");

    private final String words;

    Mark(String words) {
        this.words = words;
    }

    /** Description of the source for the report. */
    public String words() {
        return words;
    }
}
