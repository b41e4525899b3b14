package org.ingrain.distill.method;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Optional;
import org.ingrain.distill.sample.Splitter;

/**
 * What a method does beside its prompts: how a text is split, and how the texts about its parts are merged into one
 * answer.
 */
public enum Branching implements Splitter {
    /**
     * Branch-Solve-Merge (arXiv:2310.15123): a criterion a line; scores of two responses for each; their sums decide.
     */
    @JsonProperty("branch-solve-merge") BRANCH_SOLVE_MERGE {
        @Override
        public List<String> parts(String text) {
            return BranchSolveMerge.criteria(text);
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

    /** The most parts that a text can have. */
    public abstract int mostParts();

    /** The text that the answer is looked for in, from the text about each part; empty if nothing can be made of it. */
    abstract Optional<String> merge(List<String> texts);
}
