package org.ingrain.cli.flags;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.ingrain.tensor.InputException;

/** Finds the files that are shipped with the program. */
public final class Home {
    private Home() {
    }

    /** The folder {@code models/} of the distribution or, if there is none, of the checkout. */
    public static Path models() {
        return Stream.of("ingrain.home", "ingrain.root").map(System::getProperty).filter(home -> home != null)
                .map(home -> Path.of(home, "models"))
                .filter(Files::isDirectory).findFirst()
                .orElseThrow(
                        () -> new InputException(
                                "models/: not found, expected it in the checkout or the distribution"));
    }
}
