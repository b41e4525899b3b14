package org.ingrain.cli.flags;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.lang.reflect.Field;
import picocli.CommandLine.Model.OptionSpec;

/** Headings of a help text, in the order in which they are printed. */
public enum Heading {
    MODEL("Model"), TEACHER("Teacher"), SERVER("Server"), SAMPLING("Sampling"), DATA("Data"), CURATION("Curation"),
    TRAINING("Training"), EVALUATION("Evaluation"), OUTPUT("Output"), DEVICE("Device"), HELP("Help");

    private final String title;

    Heading(String title) {
        this.title = title;
    }

    public String title() {
        return title;
    }

    /**
     * Returns the heading of an option's field. If the field has no heading, returns the heading of the field's class.
     * If the class has no heading either, returns {@link #HELP}.
     */
    public static Heading of(OptionSpec option) {
        if (!(option.userObject() instanceof Field field)) {
            return HELP;
        }
        Under under = field.getAnnotation(Under.class);
        under = under == null ? field.getDeclaringClass().getAnnotation(Under.class) : under;
        return under == null ? HELP : under.value();
    }

    /** Puts an option, or all options of a class, under a heading. */
    @Retention(RetentionPolicy.RUNTIME)
    @Target({ElementType.TYPE, ElementType.FIELD})
    public @interface Under {
        Heading value();
    }
}
