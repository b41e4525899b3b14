package org.ingrain.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class StandardOutputTest {
    @Test
    void textIsUtf8AndIsWrittenAtOnce() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        StandardOutput.to(bytes).print("你好");
        assertEquals("你好", bytes.toString(StandardCharsets.UTF_8));
    }

    @Test
    void aFailedWriteIsThrown() {
        PrintStream full = StandardOutput.to(new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("No space left on device");
            }
        });
        assertEquals("standard output: cannot be written: No space left on device",
                assertThrows(StandardOutput.Failure.class, () -> full.println("x")).getMessage());
        assertThrows(StandardOutput.Failure.class, () -> full.printf("%s", "x"));
        assertThrows(StandardOutput.Failure.class, () -> full.write('\n'));
    }
}
