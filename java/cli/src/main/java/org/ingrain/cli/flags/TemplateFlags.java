package org.ingrain.cli.flags;

import org.ingrain.engine.ModelOptions;
import picocli.CommandLine.Option;

/** What the chat template is rendered with. */
public final class TemplateFlags {
    @Option(names = "--enable-thinking", negatable = true,
            description = "The chat template's switch enable_thinking (Qwen3), on or off; without either flag the "
                    + "template's own default.")
    private Boolean enableThinking;

    /** The options with the switch where it is given. */
    public ModelOptions apply(ModelOptions options) {
        return enableThinking == null ? options : options.withEnableThinking(enableThinking);
    }

    public boolean given() {
        return enableThinking != null;
    }
}
