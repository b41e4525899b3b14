package org.ingrain.cli;

import java.text.MessageFormat;
import java.util.ResourceBundle;

/**
 * The loggers of libraries. Warnings and errors are printed on standard error, one line each. Messages of lower levels
 * are dropped, because they describe internals of the libraries, such as the instruction set that the Parquet reader
 * uses.
 */
public final class LibraryLoggers extends System.LoggerFinder {
    @Override
    public System.Logger getLogger(String name, Module module) {
        return new Warnings(name);
    }

    private record Warnings(String name) implements System.Logger {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public boolean isLoggable(Level level) {
            return level != Level.OFF && level.getSeverity() >= Level.WARNING.getSeverity();
        }

        @Override
        public void log(Level level, ResourceBundle bundle, String message, Throwable thrown) {
            print(level, message + (thrown == null ? "" : ": " + thrown));
        }

        @Override
        public void log(Level level, ResourceBundle bundle, String format, Object... values) {
            print(level, values == null || values.length == 0 ? format : MessageFormat.format(format, values));
        }

        private void print(Level level, String message) {
            if (isLoggable(level)) {
                System.err.println(name + ": " + message);
            }
        }
    }
}
