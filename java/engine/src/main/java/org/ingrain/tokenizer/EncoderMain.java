package org.ingrain.tokenizer;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.ingrain.tensor.InputException;

/**
 * Main class of the child process of {@link EncoderProcess}. Standard input contains a tokenizer.json, then for each
 * text a boolean (whether to add special tokens) and the text in UTF-8. The length in bytes, an int, precedes the file
 * and each text. Standard output contains one reply for the file and one reply for each text. A reply consists of the
 * number of ids and the ids, or of -1 and an error message. The reply for the file has 0 ids. The process ends at the
 * end of its input.
 */
final class EncoderMain {
    private EncoderMain() {
    }

    public static void main(String[] arguments) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out));
        System.setOut(System.err);
        try (LibraryEncoder encoder = new LibraryEncoder("", read(in))) {
            reply(out, new int[0]);
            while (true) {
                boolean addSpecial = in.readBoolean();
                String text = new String(read(in), StandardCharsets.UTF_8);
                try {
                    reply(out, encoder.encode(text, addSpecial));
                } catch (InputException refused) {
                    refuse(out, refused);
                }
            }
        } catch (InputException refused) {
            refuse(out, refused);
        } catch (EOFException end) {
            return;
        }
    }

    private static void reply(DataOutputStream out, int[] ids) throws IOException {
        out.writeInt(ids.length);
        for (int id : ids) {
            out.writeInt(id);
        }
        out.flush();
    }

    private static void refuse(DataOutputStream out, InputException refused) throws IOException {
        out.writeInt(-1);
        write(out, refused.getMessage().replaceFirst("^: ", "").getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    static void write(DataOutputStream out, byte[] bytes) throws IOException {
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    static byte[] read(DataInputStream in) throws IOException {
        return in.readNBytes(in.readInt());
    }
}
