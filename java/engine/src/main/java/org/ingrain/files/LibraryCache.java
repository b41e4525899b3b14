package org.ingrain.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * The folders to which DJL and JavaCPP unpack native libraries. By default these folders are in the user's home. If the
 * home is not writable, both libraries would use a folder with a predictable name in the system's temporary directory,
 * and could load files that another user has put there. In this case, {@link #secure} creates a folder that only this
 * user can read and write, makes both libraries use this folder, and deletes the folder when the process ends.
 */
public final class LibraryCache {
    private static final String JAVACPP = "org.bytedeco.javacpp.cachedir";
    private static final String DJL = "DJL_CACHE_DIR";
    private static final String DJL_ENGINES = "ENGINE_CACHE_DIR";

    private LibraryCache() {
    }

    /**
     * If the user's home is not writable, sets the cache folders to a private folder. Must be called before a class of
     * DJL or JavaCPP is loaded.
     */
    public static void secure() {
        secure(System.getenv());
    }

    static synchronized void secure(Map<String, String> environment) {
        if (Files.isWritable(Path.of(System.getProperty("user.home")))) {
            return;
        }
        boolean djl = environment.containsKey(DJL) || System.getProperty(DJL) != null;
        boolean javacpp = System.getProperty(JAVACPP) != null;
        if (djl && javacpp) {
            return;
        }
        TemporaryFolder folder = TemporaryFolder.make("ingrain-libraries-");   // mode 0700, unpredictable name
        Runtime.getRuntime().addShutdownHook(new Thread(folder::close));
        if (!djl) {
            System.setProperty(DJL, folder.path().toString());
            System.setProperty(DJL_ENGINES, folder.path().toString());
        }
        if (!javacpp) {
            try {
                System.setProperty(JAVACPP, Files.createDirectory(folder.path().resolve("javacpp")).toString());
            } catch (IOException e) {
                throw DurableFile.unwritable(folder.path(), e);
            }
        }
    }
}
