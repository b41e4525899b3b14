package org.ingrain.cli.flags;

import java.util.ArrayList;
import org.ingrain.distill.StageKind;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.task.TaskConfig;

/** Lists of names for help texts and shell completion. */
public final class Candidates {
    private Candidates() {
    }

    public static final class Tasks extends ArrayList<String> {
        private static final long serialVersionUID = 1;

        Tasks() {
            super(TaskConfig.names());
        }
    }

    public static final class Stages extends ArrayList<String> {
        private static final long serialVersionUID = 1;

        Stages() {
            super(Words.all(StageKind.class));
        }
    }

    public static final class ShippedMethods extends ArrayList<String> {
        private static final long serialVersionUID = 1;

        ShippedMethods() {
            super(Methods.SHIPPED);
        }
    }
}
