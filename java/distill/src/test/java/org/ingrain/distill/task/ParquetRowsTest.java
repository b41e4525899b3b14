package org.ingrain.distill.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import org.ingrain.distill.task.data.Rows;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Reads whole and damaged files that PyArrow 25 wrote. */
class ParquetRowsTest {
    /**
     * A file with three questions, a list, a struct and nulls. The texts are bytes without the annotation UTF-8. The
     * pages are not compressed.
     */
    private static final String BINARY = """
            UEFSMRUAFTAVMCwVBhUAFQYVBhwAAAACAAAABgECAAAAYTECAAAAYTICAAAAYTMVABWAARWAASwVBhUAFQYVBhwAAAACAAAABgEOAAAAV2hhdCBpcyAyICsgMj8PAAAAT8O5IGVz
            dCBQYXJpcyA/EQAAAFdobyBpcyAiaXQiPyDwn5mCFQAVKhUqLBUGFQAVBhUGHAAAAAIAAAADAwEAAAA0BgAAAEZyYW5jZRUAFToVOiwVCBUAFQYVBhwAAAACAAAAAwIDAAAAA98A
            AQAAAHgCAAAAw6kBAAAAehUAFRYVFiwVBhUAFQYVBhwAAAADAAAAAxIAAQAAABUAFSIVIiwVBhUAFQYVBhwAAAADAAAAAyIAAQAAAHUBAAAAdhUEGaw1ABgGc2NoZW1hFQoAFQwl
            AhgCaWQAFQwlAhgIcXVlc3Rpb24AFQwlAhgGYW5zd2VyADUCGAR0YWdzFQIVBkw8AAAANQQYBGxpc3QVAgAVDCUCGAdlbGVtZW50ADUCGARtb3JlFQQAFQIlAhgBbgAVDCUCGAF0
            ABYGGRwZbCYAHBUMGSUGABkYAmlkFQAWBhZWFlYmCEkcFQAVABUCADwWDBkGGSYABgAAACYAHBUMGSUGABkYCHF1ZXN0aW9uFQAWBhaqARaqASZeSRwVABUAFQIAPBZcGQYZJgAG
            AAAAJgAcFQwZJQYAGRgGYW5zd2VyFQAWBhZQFlAmiAJJHBUAFQAVAgA8Fg4ZBhkmAgQAAAAmABwVDBklBgAZOAR0YWdzBGxpc3QHZWxlbWVudBUAFggWYBZgJtgCSRwVABUAFQIA
            PBYIGSYGAhlGAAIABgAAACYAHBUCGSUGABkoBG1vcmUBbhUAFgYWPBY8JrgDSRwVABUAFQIAPCkGGTYCAgIAAAAmABwVDBklBgAZKARtb3JlAXQVABYGFkgWSCb0A0kcFQAVABUC
            ADwWBBkGGTYCAAQAAAAWtAQWBiYIFrQEACggcGFycXVldC1jcHAtYXJyb3cgdmVyc2lvbiAyNS4wLjEZbBwAABwAABwAABwAABwAABwAAAD8AQAAUEFSMQ==
            """;
    /**
     * A file with the same questions in Snappy pages. The texts are annotated as UTF-8. The first page of the ids
     * begins at byte 22.
     */
    private static final String SNAPPY = """
            UEFSMRUAFTAVMiwVBhUAFQYVBhwAAAAYFAIAAAAGAQEGNGExAgAAAGEyAgAAAGEzFQAVgAEVggEsFQYVABUGFQYcAAAAQLACAAAABgEOAAAAV2hhdCBpcyAyICsgMj8PAAAAT8O5
            IGVzdCBQYXJpcyA/EQABJThvIGlzICJpdCI/IPCfmYIVABUqFS4sFQYVABUGFQYcAAAAFVACAAAAAwMBAAAANAYAAABGcmFuY2UVBBlMNQAYBnNjaGVtYRUGABUMJQIYAmlkJQBM
            HAAAABUMJQIYCHF1ZXN0aW9uJQBMHAAAABUMJQIYBmFuc3dlciUATBwAAAAWBhkcGTwmABwVDBklBgAZGAJpZBUCFgYWVhZYJghJHBUAFQAVAgA8FgwZBhkmAAYAAAAmABwVDBkl
            BgAZGAhxdWVzdGlvbhUCFgYWqgEWrAEmYEkcFQAVABUCADwWXBkGGSYABgAAACYAHBUMGSUGABkYBmFuc3dlchUCFgYWUBZUJowCSRwVABUAFQIAPBYOGQYZJgIEAAAAFtACFgYm
            CBbYAgAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjUuMC4xGTwcAAAcAAAcAAAAGwEAAFBBUjE=
            """;
    /** A file with a question, a day, a time, a list of lists and a map. */
    private static final String MAP = """
            UEFSMRUAFRYVFiwVAhUAFQYVBhwAAAACAAAAAgEBAAAAcRUAFRQVFCwVAhUAFQYVBhwAAAACAAAAAgEMTQAAFQAVHBUcLBUCFQAVBhUGHAAAAAIAAAACAUDTTcDtDQYAFQAVMhUy
            LBUGFQAVBhUGHAAAAAMAAAADGAACAAAABgUBAAAAAgAAAAMAAAAVABUiFSIsFQIVABUGFQYcAAAAAgAAAAIAAgAAAAICAQAAAGEVABUgFSAsFQIVABUGFQYcAAAAAgAAAAIAAgAA
            AAIDAQAAABUEGdw1ABgGc2NoZW1hFQoAFQwlAhgIcXVlc3Rpb24lAEwcAAAAFQIlAhgDZGF5JQxMbAAAABUEJQIYAmF0JRRMjBIcLAAAAAAANQIYBm5lc3RlZBUCFQZMPAAAADUE
            GARsaXN0FQIANQIYB2VsZW1lbnQVAhUGTDwAAAA1BBgEbGlzdBUCABUCJQIYB2VsZW1lbnQANQIYBnNjb3JlcxUCFQJMLAAAADUEGAlrZXlfdmFsdWUVBAAVDCUAGANrZXklAEwc
            AAAAFQIlAhgFdmFsdWUAFgIZHBlsJgAcFQwZJQYAGRgIcXVlc3Rpb24VABYCFjwWPCYISRwVABUAFQIAPBYCGQYZJgACAAAAJgAcFQIZJQYAGRgDZGF5FQAWAhY6FjomREkcFQAV
            ABUCADwpBhkmAAIAAAAmABwVBBklBgAZGAJhdBUAFgIWQhZCJn5JHBUAFQAVAgA8KQYZJgACAAAAJgAcFQIZJQYAGVgGbmVzdGVkBGxpc3QHZWxlbWVudARsaXN0B2VsZW1lbnQV
            ABYGFlgWWCbAAUkcFQAVABUCADwpNgICAhlmAAAAAAAGAAAAJgAcFQwZJQYAGTgGc2NvcmVzCWtleV92YWx1ZQNrZXkVABYCFkgWSCaYAkkcFQAVABUCADwWAhkmAgAZNgAAAgAA
            ACYAHBUCGSUGABk4BnNjb3JlcwlrZXlfdmFsdWUFdmFsdWUVABYCFkYWRibgAkkcFQAVABUCADwpJgIAGUYAAAACAAAAFp4DFgImCBaeAwAoIHBhcnF1ZXQtY3BwLWFycm93IHZl
            cnNpb24gMjUuMC4xGWwcAAAcAAAcAAAcAAAcAAAcAAAAfgIAAFBBUjE=
            """;
    private static final List<Example> QUESTIONS = List.of(new Example("a1", "What is 2 + 2?", "4"),
            new Example("a2", "Où est Paris ?", "France"), new Example("a3", "Who is \"it\"? 🙂", null));

    @TempDir
    Path base;

    private static byte[] bytes(String base64) {
        return Base64.getMimeDecoder().decode(base64);
    }

    private Path write(byte[] bytes) throws IOException {
        return Files.write(base.resolve("data.parquet"), bytes);
    }

    private static List<Example> questions(Path file) {
        return Dataset.load(QuestionConfig.of("question-answer", file)).pool();
    }

    @Test
    void textsAreReadWhetherOrNotTheirColumnIsAnnotated() throws IOException {
        assertEquals(QUESTIONS, questions(write(bytes(SNAPPY))));
        Path binary = write(bytes(BINARY));
        assertEquals(QUESTIONS, questions(binary));
        List<String> rows = new ArrayList<>();
        Rows.forEach(binary, (row, where) -> rows.add(where + " " + Json.line(row)));
        assertEquals(List.of(
                binary
                + " row 1 {\"id\":\"a1\",\"question\":\"What is 2 + 2?\",\"answer\":\"4\",\"tags\":[\"x\",\"é\"],"
                        + "\"more\":{\"n\":1,\"t\":\"u\"}}",
                binary + " row 2 {\"id\":\"a2\",\"question\":\"Où est Paris ?\",\"answer\":\"France\",\"tags\":[]}",
                binary
                + " row 3 {\"id\":\"a3\",\"question\":\"Who is \\\"it\\\"? "
                + "🙂\",\"tags\":[\"z\"],\"more\":{\"t\":\"v\"}}"), rows);
    }

    @Test
    void bytesThatAreNotUtf8AreRefused() throws IOException {
        for (String whole : List.of(BINARY, SNAPPY)) {
            byte[] bytes = bytes(whole);
            bytes[new String(bytes, StandardCharsets.ISO_8859_1).indexOf("\u00c3\u00b9 est")] = (byte) 0xff;
            Path file = write(bytes);
            assertEquals(file + " row 2: column question has bytes that are not UTF-8, expected texts",
                    refusal(file));
        }
    }

    @Test
    void otherTypesAreRefusedByColumn() throws IOException {
        Path file = write(bytes(MAP));
        assertEquals(
                file + " row 1: column scores has values of an unsupported type, expected texts, numbers, "
                + "booleans, times, or lists or"
                + " structs of these", refusal(file));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4, 5, 8, 10, 14, 23, 25, 31, 36, 39, 180, 190})
    void aFlippedByteIsOneLine(int at) throws IOException {
        byte[] bytes = bytes(SNAPPY);
        bytes[at] ^= (byte) 0xff;
        assertDamaged(write(bytes));
    }

    @Test
    void aBadPageIsNamedByItsCause() throws IOException {
        byte[] bytes = bytes(SNAPPY);
        bytes[23] ^= (byte) 0xff;
        Path file = write(bytes);
        assertEquals(file + ": cannot be read as Parquet: [PARSING_ERROR] invalid uncompressed length 2,663 declared "
                + "in 25 bytes of compressed data", refusal(file));
    }

    /**
     * Byte 7 contains the uncompressed size of the first page, 24 bytes. The changed page states a size of one byte.
     * snappy-java 1.1.10.8 then wrote 24 bytes into a buffer of one byte, which ended the process.
     */
    @Test
    void aPageWithMoreBytesThanItsHeaderStatesIsRefused() throws IOException {
        byte[] bytes = bytes(SNAPPY);
        assertEquals(48, bytes[7]);
        bytes[7] = 2;
        Path file = write(bytes);
        assertEquals(file + ": cannot be read as Parquet: not enough space for output: need 24 bytes, but only 1 "
                + "remaining", refusal(file));
    }

    /**
     * Bytes 51 and 52 contain the uncompressed size of the second page. The new value 2^31 - 1 needs three more bytes,
     * so the rest of the file moves by three bytes. Then the reader looks for the third page at the wrong place.
     */
    @Test
    void aPageThatClaimsMoreBytesThanTheFileHasIsRefused() throws IOException {
        byte[] bytes = bytes(SNAPPY);
        ByteBuffer moved = ByteBuffer.allocate(bytes.length + 3).put(bytes, 0, 51)
                .put(new byte[] {(byte) 0xfe, (byte) 0xff, (byte) 0xff, (byte) 0xff, 0x0f})
                .put(bytes, 53, bytes.length - 53);
        Path file = write(moved.array());
        assertEquals(file + ": cannot be read as Parquet: its pages claim more bytes than it has", refusal(file));
    }

    @Test
    void aTruncatedFileIsOneLine() throws IOException {
        byte[] bytes = bytes(SNAPPY);
        for (int length : new int[] {0, 3, bytes.length / 2, bytes.length - 1}) {
            assertDamaged(write(Arrays.copyOf(bytes, length)));
        }
    }

    @Test
    void whatTheReaderOfTheRowsThrowsIsItsOwn() throws IOException {
        Path file = write(bytes(SNAPPY));
        RuntimeException own = new IllegalArgumentException("own");
        assertEquals(own, assertThrows(IllegalArgumentException.class, () -> Rows.until(file, (row, where) -> {
            throw own;
        })));
        int[] rows = {0};
        Rows.until(file, (row, where) -> ++rows[0] < 2);
        assertEquals(2, rows[0]);
    }

    private static String refusal(Path file) {
        return assertThrows(InputException.class, () -> questions(file)).getMessage();
    }

    private static void assertDamaged(Path file) {
        String said = refusal(file);
        assertTrue(said.startsWith(file + ": cannot be read"), said);
        assertEquals(1, said.lines().count(), said);
    }
}
