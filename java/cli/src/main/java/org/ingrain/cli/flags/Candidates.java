package org.ingrain.cli.flags;

import java.util.ArrayList;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.task.TaskConfig;

/** Names that help texts list and a shell completes, from the registries that know them. */
public final class Candidates {
    private Candidates() {
    }

    /** Tasks. */
    public static final class Tasks extends ArrayList<String> {
        private static final long serialVersionUID = 1;

        Tasks() {
            super(TaskConfig.names());
        }
    }

    /** Methods that are shipped. */
    public static final class ShippedMethods extends ArrayList<String> {
        private static final long serialVersionUID = 1;

        ShippedMethods() {
            super(Methods.SHIPPED);
        }
    }
}
