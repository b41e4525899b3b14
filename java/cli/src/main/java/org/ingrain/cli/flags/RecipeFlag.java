package org.ingrain.cli.flags;

import picocli.CommandLine.Option;

/** The flag {@code --recipe} for commands without shipped recipes. {@link Recipe#expand} reads this flag. */
@Heading.Under(Heading.DATA)
public final class RecipeFlag {
    @Option(names = "--recipe", paramLabel = "FILE",
            description = "Take flags from a JSON file with title, command and flags; the command line overrides them.")
    String recipe;
}
