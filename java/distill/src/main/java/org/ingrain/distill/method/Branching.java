package org.ingrain.distill.method;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Optional;
import org.ingrain.distill.sample.Splitter;

/**
 * The code of a branching method. It splits a text into parts. The model generates one text for each part. The code
 * merges these texts into one answer.
 */
public enum Branching implements Splitter {
    /**
     * Branch-Solve-Merge (arXiv:2310.15123). The parts are criteria; each text about a criterion scores two responses,
     * and the sums of the scores are compared.
     */
    @JsonProperty("branch-solve-merge") BRANCH_SOLVE_MERGE {
        @Override
        public List<String> parts(String text) {
            return BranchSolveMerge.criteria(text);
        }

        @Override
        public String name(String part) {
            return BranchSolveMerge.name(part);
        }

        @Override
        public int mostParts() {
            return BranchSolveMerge.MOST_CRITERIA;
        }

        @Override
        Optional<String> merge(List<String> texts) {
            return BranchSolveMerge.merge(texts);
        }
    };

    /** The maximum number of parts of a text. */
    public abstract int mostParts();

    /**
     * Merges the texts that the model generated for the parts into one text that contains the answer. Returns empty if
     * the texts cannot be merged.
     */
    abstract Optional<String> merge(List<String> texts);
}
