package org.ingrain.tokenizer;

import org.ingrain.files.LibraryCache;

/**
 * Sets system properties that DJL reads when its first class is loaded. The properties disable telemetry and downloads,
 * set a cache to which no other user can write, and select the tokenizers library in DJL's jar. Without these
 * properties, DJL would download another library on a machine with a GPU. A property that is already set is not
 * changed.
 */
public final class DjlSettings {
    private DjlSettings() {
    }

    public static void apply() {
        LibraryCache.secure();
        disableTelemetry();
        set("ai.djl.offline", "true");
        set("RUST_FLAVOR", "cpu");
        set("slf4j.internal.verbosity", "ERROR");
    }

    /** Sets only the property that disables telemetry. */
    public static void disableTelemetry() {
        set("OPT_OUT_TRACKING", "true");
    }

    private static void set(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }
}
