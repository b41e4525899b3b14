package org.ingrain.distill.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class EventFileTest {
    /** The bytes that TensorBoard 2.21's RecordWriter and protobuf classes wrote for the same three events. */
    private static final String TENSORBOARDS = "0f000000000000006d532b091a0d627261696e2e4576656e743a32fc985129"
            + "200000000000000029eda95009000000000000084010032a130a110a0a747261696e2f6c6f7373150000203f0ab786eb"
            + "2700000000000000bbe1b14609000000000017f14010f0a2042a180a160a0f76616c69646174696f6e2f6c6f73731595bfd6b32"
            + "227d504";

    @Test
    void writesWhatTensorBoardWrites() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        EventFile events = new EventFile(out);
        events.scalar(3, "train/loss", 0.625);
        events.scalar(70000, "validation/loss", -1e-7);
        assertEquals(TENSORBOARDS, HexFormat.of().formatHex(out.toByteArray()));
    }
}
