package org.ingrain.cli.flags;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.ingrain.tensor.InputException;

/** Where what is shipped beside the program lies. */
public final class Home {
    private Home() {
    }

    /** {@code models/} of the distribution, or of the checkout. */
    public static Path models() {
        return Stream.of("ingrain.home", "ingrain.root").map(System::getProperty).filter(home -> home != null)
                .map(home -> Path.of(home, "models"))
                .filter(Files::isDirectory).findFirst()
                .orElseThrow(
                        () -> new InputException(
                                "models/: not found beside the program, expected it in the checkout or the "
                                + "distribution"));
    }
}
