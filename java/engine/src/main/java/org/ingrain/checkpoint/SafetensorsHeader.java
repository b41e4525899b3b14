package org.ingrain.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.ingrain.files.JsonFields;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/** Reads the JSON header of a safetensors file. Rejects a header that violates the format's specification. */
record SafetensorsHeader(Map<String, TensorInfo> tensors, Map<String, String> metadata) {
    static final long LONGEST = 100_000_000;
    /**
     * Bits per element of every type of the format. Tensors that the model does not use may have any of these types.
     */
    private static final Map<String, Integer> BITS = Map.ofEntries(Map.entry("BOOL", 8), Map.entry("U8", 8),
            Map.entry("I8", 8), Map.entry("F8_E4M3", 8), Map.entry("F8_E5M2", 8), Map.entry("F8_E8M0", 8),
            Map.entry("F4", 4), Map.entry("F6_E2M3", 6), Map.entry("F6_E3M2", 6), Map.entry("I16", 16),
            Map.entry("U16", 16), Map.entry("F16", 16), Map.entry("BF16", 16), Map.entry("I32", 32),
            Map.entry("U32", 32), Map.entry("F32", 32), Map.entry("I64", 64), Map.entry("U64", 64),
            Map.entry("F64", 64), Map.entry("C64", 64));

    /** @param dataBytes number of bytes in the file after the header */
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
        String type = fields.text("dtype");
        if (!BITS.containsKey(type)) {
            throw new InputException(where + ": dtype is " + type + ", expected one of the format's dtypes: "
                    + String.join(", ", new TreeSet<>(BITS.keySet())));
        }
        long[] shape = fields.longs("shape");
        long[] offsets = fields.longs("data_offsets");
        if (offsets.length != 2 || offsets[0] > offsets[1]) {
            throw new InputException(where + ": data_offsets are " + fields.node("data_offsets")
                    + ", expected [begin, end]");
        }
        TensorInfo info = new TensorInfo(name, type, shape, offsets[0], offsets[1]);
        if (info.bytes() != bytes(where, type, shape)) {
            throw new InputException(where + ": has " + info.bytes() + " bytes, expected " + bytes(where, type, shape)
                    + " for " + type + " " + fields.node("shape"));
        }
        return info;
    }

    private static long bytes(String where, String type, long[] shape) {
        long bits = BITS.get(type);
        try {
            for (long size : shape) {
                bits = Math.multiplyExact(bits, size);
            }
            return Math.ceilDiv(bits, Byte.SIZE);
        } catch (ArithmeticException overflow) {
            throw new InputException(where + ": a tensor of its shape would be larger than any file can be");
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
