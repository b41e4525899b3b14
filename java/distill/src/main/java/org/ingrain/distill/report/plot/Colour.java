package org.ingrain.distill.report.plot;

import java.util.Locale;
import org.ingrain.distill.evaluate.Arm.Role;

/** The colours of pages and plots, for light and dark mode. Everything that a colour shows is also stated in words. */
public enum Colour {
    TEXT("#17202b", "#e7ecf3"),
    MUTED("#55606f", "#a3aebd"),
    LINE("#d9dee6", "#323b48"),
    SURFACE("#ffffff", "#171d26"),
    SYSTEM_1("#64748b", "#94a3b8"),
    SYSTEM_2("#b45309", "#f2a541"),
    DISTILLED("#0f766e", "#35d0ba"),
    CONTROL("#7c3aed", "#b197fc"),
    OTHER("#2563eb", "#74a7ff"),
    RIGHT("#0f766e", "#35d0ba"),
    WRONG("#c2410c", "#fb8a5c"),
    KEPT("#2563eb", "#74a7ff"),
    DISCARDED("#c4cbd6", "#4a5565");

    private final String light;
    private final String dark;

    Colour(String light, String dark) {
        this.light = light;
        this.dark = dark;
    }

    /** The colour of an arm or a student. */
    public static Colour of(Role role) {
        return switch (role) {
            case SYSTEM_1 -> SYSTEM_1;
            case SYSTEM_2 -> SYSTEM_2;
            case DISTILLED -> DISTILLED;
            case DISTILLED_SYSTEM_1 -> CONTROL;
            case BASELINE, UNFILTERED, SYSTEM_2_DISTILLED, SINGLE -> OTHER;
        };
    }

    /** CSS value that selects the light or the dark variant by the mode of the page. */
    public String themed() {
        return "var(--" + variable() + ")";
    }

    /** Hexadecimal RGB value of light mode, for images. */
    public String light() {
        return light;
    }

    /** CSS definitions of the variables that {@link #themed} refers to. */
    public static String css() {
        StringBuilder light = new StringBuilder();
        StringBuilder dark = new StringBuilder();
        for (Colour ink : values()) {
            light.append("--").append(ink.variable()).append(": ").append(ink.light).append("; ");
            dark.append("--").append(ink.variable()).append(": ").append(ink.dark).append("; ");
        }
        return ":root { " + light + "}\n@media (prefers-color-scheme: dark) { :root { " + dark + "} }\n";
    }

    private String variable() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
