package org.ingrain.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/** Reads the JSON header of a safetensors file and refuses whatever the format's specification refuses. */
record SafetensorsHeader(Map<String, TensorInfo> tensors, Map<String, String> metadata) {
    static final long LONGEST = 100_000_000;
    private static final List<DType> READABLE = List.of(DType.F32, DType.BF16, DType.F16, DType.I32, DType.I64);

    /** @param dataBytes bytes of the file after the header */
    static SafetensorsHeader parse(Path file, byte[] json, long dataBytes) {
        if (json.length == 0 || json[0] != '{') {
            throw new InputException(file + ": the header is not a JSON object");
        }
        JsonFields header = JsonFields.parse(file + ": header", json);
        Map<String, String> metadata = new TreeMap<>();
        List<TensorInfo> tensors = new ArrayList<>();
        for (String name : header.names()) {
            if (name.equals("__metadata__")) {
                JsonFields entries = header.object(name);
                entries.names().forEach(key -> metadata.put(key, entries.text(key)));
            } else {
                tensors.add(tensor(file, name, header.node(name)));
            }
        }
        tensors.sort(Comparator.comparingLong(TensorInfo::begin).thenComparingLong(TensorInfo::end));
        requireContiguous(file, tensors, dataBytes);
        Map<String, TensorInfo> byName = new LinkedHashMap<>();
        tensors.forEach(tensor -> byName.put(tensor.name(), tensor));
        return new SafetensorsHeader(byName, metadata);
    }

    private static TensorInfo tensor(Path file, String name, JsonNode node) {
        String where = file + ": tensor '" + name + "'";
        if (!node.isObject()) {
            throw new InputException(where + ": expected an object with dtype, shape and data_offsets");
        }
        JsonFields fields = new JsonFields(where, node);
        DType dtype = dtype(where, fields.text("dtype"));
        long[] shape = fields.longs("shape");
        long[] offsets = fields.longs("data_offsets");
        if (offsets.length != 2 || offsets[0] > offsets[1]) {
            throw new InputException(where + ": data_offsets are " + fields.node("data_offsets")
                    + ", expected [begin, end]");
        }
        TensorInfo info = new TensorInfo(name, dtype, shape, offsets[0], offsets[1]);
        if (info.bytes() != bytes(where, dtype, shape)) {
            throw new InputException(where + ": has " + info.bytes() + " bytes, expected " + bytes(where, dtype, shape)
                    + " for "
                    + dtype + " " + fields.node("shape"));
        }
        return info;
    }

    private static DType dtype(String where, String text) {
        for (DType dtype : READABLE) {
            if (dtype.name().equals(text)) {
                return dtype;
            }
        }
        throw new InputException(where + ": dtype is " + text + ", expected one of " + READABLE);
    }

    private static long bytes(String where, DType dtype, long[] shape) {
        long bytes = dtype.bytes();
        try {
            for (long size : shape) {
                bytes = Math.multiplyExact(bytes, size);
            }
            return bytes;
        } catch (ArithmeticException overflow) {
            throw new InputException(where + ": its shape is larger than any file");
        }
    }

    private static void requireContiguous(Path file, List<TensorInfo> tensors, long dataBytes) {
        long expected = 0;
        for (TensorInfo tensor : tensors) {
            String where = file + ": tensor '" + tensor.name() + "'";
            if (tensor.end() > dataBytes) {
                throw new InputException(where + ": ends at byte " + tensor.end() + " of the data, but the file has "
                        + dataBytes
                        + " (truncated?)");
            }
            if (tensor.begin() < expected) {
                throw new InputException(where + ": begins at byte " + tensor.begin()
                        + " and overlaps the tensor that ends at " + expected);
            }
            if (tensor.begin() > expected) {
                throw new InputException(where + ": begins at byte " + tensor.begin() + ", leaving a hole after byte "
                        + expected);
            }
            expected = tensor.end();
        }
        if (expected != dataBytes) {
            throw new InputException(file + ": has " + dataBytes + " bytes of data, but its tensors end at "
                    + expected);
        }
    }
}
