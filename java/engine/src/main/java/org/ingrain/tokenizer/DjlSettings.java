package org.ingrain.tokenizer;

/**
 * What must be said to DJL before its first class loads, and can be said by system properties alone: no telemetry, no
 * download, and the tokenizers library of the jar even beside a GPU, where DJL would fetch another. A property that is
 * set already stays.
 */
public final class DjlSettings {
    private DjlSettings() {
    }

    public static void apply() {
        set("OPT_OUT_TRACKING", "true");
        set("ai.djl.offline", "true");
        set("RUST_FLAVOR", "cpu");
        set("slf4j.internal.verbosity", "ERROR");
    }

    private static void set(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }
}
