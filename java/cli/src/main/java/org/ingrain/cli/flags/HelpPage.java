package org.ingrain.cli.flags;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Help;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.UsageMessageSpec;

/** Makes help texts that list the options under headings. */
public final class HelpPage {
    private HelpPage() {
    }

    /** Installs these help texts in a command and in all its subcommands. */
    public static void install(CommandLine line) {
        Map<String, CommandLine.IHelpSectionRenderer> sections = line.getHelpSectionMap();
        sections.put(UsageMessageSpec.SECTION_KEY_OPTION_LIST, HelpPage::options);
        line.setHelpSectionMap(sections);
    }

    /**
     * The list of options. Under each heading, the options have the order of their declarations. Common options are
     * declared first. The columns have the same width under all headings.
     */
    private static String options(Help help) {
        List<OptionSpec> visible = help.commandSpec().options().stream().filter(option -> !option.hidden()).toList();
        Map<Heading, List<OptionSpec>> headings = new EnumMap<>(Heading.class);
        visible.forEach(option -> headings.computeIfAbsent(Heading.of(option), none -> new ArrayList<>()).add(option));
        StringBuilder text = new StringBuilder();
        headings.forEach((heading, options) -> {
            Help.Layout layout = help.createDefaultLayout(visible, List.of(), help.colorScheme());
            layout.addAllOptions(options, help.parameterLabelRenderer());
            text.append(String.format(Locale.ROOT, "%n%s:%n%s", heading.title(), layout));
        });
        return text.toString();
    }
}
