package org.ingrain.cli.flags;

import org.ingrain.engine.ModelOptions;
import picocli.CommandLine.Option;

/** Flags for variables of the chat template. */
@Heading.Under(Heading.MODEL)
public final class TemplateFlags {
    @Option(names = "--enable-thinking", negatable = true,
            description = "Set the chat template's variable enable_thinking (Qwen3) to true or false (default: that of "
                    + "the template).")
    private Boolean enableThinking;

    /** Returns the model options with the template variable that the flag sets; unchanged if the flag is not given. */
    public ModelOptions apply(ModelOptions options) {
        return enableThinking == null ? options : options.withEnableThinking(enableThinking);
    }

    public boolean given() {
        return enableThinking != null;
    }
}
