package org.ingrain.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests the limits on the number of threads of a CPU context. */
class ThreadPoolTest {
    private static final Path RUNTIME = Path.of(System.getProperty("ingrain.root"), "native", "runtime");

    @TempDir
    Path folder;

    /** A replacement for pthread_create refuses the fourth thread, like a system that has reached its thread limit. */
    @Test
    void aPoolThatCannotStartAllThreadsStopsThoseItStarted() throws Exception {
        List<String> printed = NativeTools.printed(folder, """
                #include "%s/thread_pool.cc"
                #include <cstdio>
                #include <dlfcn.h>
                #include <pthread.h>
                #include <system_error>
                #include <unistd.h>

                static int started = 0, ended = 0;
                using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);

                extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                              void* (*body)(void*), void* state) noexcept {
                  static const auto next = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
                  if (started == 3) return EAGAIN;
                  ++started;
                  return next(thread, attributes, body, state);
                }

                extern "C" int pthread_join(pthread_t thread, void** result) {
                  static const auto next = reinterpret_cast<int (*)(pthread_t, void**)>(dlsym(RTLD_NEXT, "pthread_join"));
                  ++ended;
                  return next(thread, result);
                }

                int main() {
                  alarm(60);  // a pool that waits for ever ends the program with a signal
                  try {
                    ingrain::ThreadPool pool(16);
                    std::puts("started");
                  } catch (const std::system_error& e) {
                    std::printf("refused, %%d started, %%d ended\\n", started, ended);
                  }
                }
                """.formatted(RUNTIME));
        assertEquals(List.of("refused, 3 started, 3 ended"), printed);
    }

    @Test
    void moreThreadsThanTheLimitAreRefused() {
        InputException refused = assertThrows(InputException.class, () -> new ContextOptions(0, 4097, "auto"));
        assertEquals("threads: 4097, expected 0 (all cores) to 4096", refused.getMessage());
        try (Backend backend = Backend.open(NativeLibraries.find("cpu"));
                Context context = backend.context(new ContextOptions(0, 4, "auto"))) {
            assertTrue(context.describe().contains("\"threads\": 4"));
        }
    }
}
