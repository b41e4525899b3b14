package org.ingrain.checkpoint;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.ingrain.files.BoundedRegex;
import org.ingrain.files.JsonFields;
import org.ingrain.model.Group;
import org.ingrain.model.Projection;

/**
 * The modules that an adapter adapts. As in PEFT, the modules are specified by a list of path suffixes, by one regular
 * expression for the whole path, or by {@code all-linear}.
 */
public sealed interface TargetModules {
    /** Whether a module path, such as {@code model.layers.0.self_attn.q_proj}, matches. */
    boolean matches(String path);

    /** The value in adapter_config.json: a list or a string. */
    Object json();

    record Names(List<String> names) implements TargetModules {
        public Names {
            names = List.copyOf(names);
        }

        @Override
        public boolean matches(String path) {
            return names.stream().anyMatch(name -> path.equals(name) || path.endsWith("." + name));
        }

        @Override
        public Object json() {
            return names.stream().sorted().toList();
        }
    }

    record Expression(String regex) implements TargetModules {
        /** Modules that PEFT's {@code all-linear} excludes. */
        private static final Set<String> TABLES = Set.of(Projection.EMBED_TOKENS.module(Group.MODEL),
                Projection.LM_HEAD.module(Group.MODEL));

        @Override
        public boolean matches(String path) {
            return regex.equalsIgnoreCase("all-linear") ? !TABLES.contains(path)
                    : BoundedRegex.compile("target_modules", regex).matches(path);
        }

        @Override
        public Object json() {
            return regex;
        }
    }

    /** Reads an optional field. Returns empty if the field is missing. */
    static Optional<TargetModules> read(JsonFields fields, String field) {
        if (!fields.has(field)) {
            return Optional.empty();
        }
        if (!fields.node(field).isString()) {
            return Optional.of(new Names(fields.texts(field)));
        }
        String regex = fields.text(field);
        BoundedRegex.compile(fields.where() + ": " + field, regex);
        return Optional.of(new Expression(regex));
    }
}
