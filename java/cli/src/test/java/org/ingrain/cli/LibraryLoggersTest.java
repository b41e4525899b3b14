package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;

class LibraryLoggersTest {
    @Test
    void onlyWarningsAndErrorsOfLibrariesArePrinted() {
        System.LoggerFinder finder = ServiceLoader.load(System.LoggerFinder.class).findFirst().orElseThrow();
        assertEquals(LibraryLoggers.class, finder.getClass());
        System.Logger logger = finder.getLogger("dev.hardwood", getClass().getModule());
        assertFalse(logger.isLoggable(System.Logger.Level.INFO));
        assertTrue(logger.isLoggable(System.Logger.Level.WARNING) && logger.isLoggable(System.Logger.Level.ERROR));
    }
}
