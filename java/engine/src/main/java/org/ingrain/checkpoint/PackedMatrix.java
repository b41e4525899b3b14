package org.ingrain.checkpoint;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.stream.LongStream;
import org.ingrain.model.Parameter;
import org.ingrain.model.QuantizedMatrix;
import org.ingrain.model.QuantizedRows;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Weight;

/**
 * A linear layer (N, C) of a GPTQ or AWQ folder. The first dimension of each of its tensors runs over the C inputs. A
 * 32-bit word contains 8 integers of 4 bits or 4 integers of 8 bits:
 * <pre>
 * scales  (C / group, N) F16
 * qzeros  (C / group, N / 8) I32     a word has the zero points of 8 consecutive outputs (8 bits: of 4 outputs)
 * qweight GPTQ (C / 8, N) I32        a word has 8 consecutive inputs of one output, the first in the lowest bits
 *         AWQ  (C, N / 8) I32        a word has 8 consecutive outputs of one input
 * g_idx   GPTQ (C) I32, may be missing: the group of each input; only ascending groups are supported
 * </pre>
 * If a word contains several outputs, AWQ stores these in the order 0, 2, 4, 6, 1, 3, 5, 7, and GPTQ in ascending
 * order. An element is (integer - zero point)·scale. GPTQ has two checkpoint formats: gptq stores the zero point minus
 * 1, and gptq_v2 stores the zero point itself. References for the layouts: AutoGPTQ (qlinear_cuda_old.py), AutoAWQ
 * (packing_utils.py).
 */
final class PackedMatrix implements QuantizedMatrix {
    /** The position of each output in a word of AWQ, in units of 4 bits. */
    private static final int[] AWQ_POSITION = {0, 4, 1, 5, 2, 6, 3, 7};
    private static final int[] ASCENDING = {0, 1, 2, 3, 4, 5, 6, 7};
    private static final int WORD = 8;
    /** Converts four unsigned bytes with the zero point 128 to signed bytes. */
    private static final int SIGNS = 0x80808080;
    /**
     * Number of outputs that are converted together. In the GPTQ format, the words of these outputs fill a cache line,
     * so each line is read once.
     */
    private static final int BLOCK = 16;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(
            ByteOrder.LITTLE_ENDIAN);

    private final Arena arena = Arena.ofShared();
    private final Quantization quantization;
    private final ModelFolder folder;
    private final String module;
    private final long outputs;
    private final int bits;
    private final int[] position;
    private MemorySegment qweight;
    private MemorySegment qzeros;
    private MemorySegment scales;

    /**
     * Checks the layer's tensors and reads them.
     *
     * @param p the layer's weight
     */
    static PackedMatrix open(ModelFolder folder, Quantization quantization, Parameter p) {
        PackedMatrix matrix = new PackedMatrix(folder, quantization, p);
        try {
            matrix.read(p);
            return matrix;
        } catch (RuntimeException refused) {
            matrix.close();
            throw refused;
        }
    }

    private PackedMatrix(ModelFolder folder, Quantization quantization, Parameter p) {
        this.quantization = quantization;
        this.folder = folder;
        module = p.name().replaceFirst("\\.weight$", "");
        outputs = p.rows();
        position = quantization.method() == Quantization.Method.AWQ ? AWQ_POSITION : ASCENDING;
        bits = format().dtype() == DType.INT4 ? 4 : 8;
    }

    private void read(Parameter p) {
        int word = Integer.SIZE / bits;
        if (p.columns() % word != 0 || p.rows() % word != 0) {
            throw new InputException(folder.path() + ": " + module + " has shape " + Arrays.toString(p.shape())
                    + ", expected multiples of " + word + " for " + bits + " bits");
        }
        long groups = Math.ceilDiv(p.columns(), format().group());
        qweight = quantization.method() == Quantization.Method.AWQ
                ? tensor("qweight", "I32", p.columns(), p.rows() / word)
                : tensor("qweight", "I32", p.columns() / word, p.rows());
        qzeros = tensor("qzeros", "I32", groups, p.rows() / word);
        scales = tensor("scales", "F16", groups, p.rows());
        if (folder.has(module + ".g_idx")) {
            requireAscending(tensor("g_idx", "I32", p.columns()), p.columns());
        }
    }

    private MemorySegment tensor(String part, String type, long... shape) {
        String name = module + "." + part;
        TensorInfo info = folder.info(name);
        if (!info.type().equals(type) || !Arrays.equals(info.shape(), shape)) {
            throw new InputException(folder.path() + ": tensor '" + name + "' is " + info.type() + " "
                    + Arrays.toString(info.shape()) + ", expected " + type + " " + Arrays.toString(shape) + " for "
                    + quantization.method() + " with group_size " + format().group());
        }
        MemorySegment bytes = arena.allocate(info.bytes(), Long.BYTES);
        folder.read(name, bytes);
        return bytes;
    }

    private void requireAscending(MemorySegment groups, long columns) {
        for (long c = 0; c < columns; c++) {
            int found = groups.get(INT, c * Integer.BYTES);
            if (found != c / format().group()) {
                throw new InputException(folder.path() + ": " + module + ".g_idx has group " + found + " for column "
                        + c + ", expected " + c / format().group() + ": columns in order, without desc_act");
            }
        }
    }

    @Override
    public Weight.Format format() {
        return quantization.format();
    }

    @Override
    public void read(QuantizedRows target, long row, long column) {
        LongStream.range(0, Math.ceilDiv(target.rows(), BLOCK)).parallel().forEach(block -> {
            long begin = block * BLOCK;
            long end = Math.min(target.rows(), begin + BLOCK);
            if (quantization.method() == Quantization.Method.AWQ) {
                turn(target, row, column, begin, end);
            } else {
                copy(target, row, column, begin, end);
            }
            readGroups(target, row, column / format().group(), begin, end);
        });
    }

    /**
     * Copies the words of GPTQ in the order of the target. The elements within a word stay in place, because they are
     * consecutive elements of a row. Unsigned bytes are converted to signed bytes.
     */
    private void copy(QuantizedRows target, long row, long column, long begin, long end) {
        MemorySegment values = target.values();
        long words = target.columns() * bits / Integer.SIZE;
        long first = column * bits / Integer.SIZE;
        for (long w = 0; w < words; w++) {
            for (long r = begin; r < end; r++) {
                int word = qweight.get(INT, ((first + w) * outputs + row + r) * Integer.BYTES);
                values.set(INT, r * target.rowBytes() + w * Integer.BYTES, bits == 4 ? word : word ^ SIGNS);
            }
        }
    }

    /** Converts words of 8 outputs to words of 8 inputs. */
    private void turn(QuantizedRows target, long row, long column, long begin, long end) {
        MemorySegment values = target.values();
        long stride = outputs / WORD * Integer.BYTES;
        int[] words = new int[WORD];
        for (long r = begin; r < end;) {
            long word = (row + r) / WORD;
            long next = Math.min(end, (word + 1) * WORD - row);
            for (long c = 0; c < target.columns(); c += WORD) {
                for (int i = 0; i < WORD; i++) {
                    words[i] = qweight.get(INT, (column + c + i) * stride + word * Integer.BYTES);
                }
                for (long at = r; at < next; at++) {
                    int shift = 4 * position[(int) ((row + at) % WORD)];
                    int turned = 0;
                    for (int i = 0; i < WORD; i++) {
                        turned |= (words[i] >>> shift & 15) << 4 * i;
                    }
                    values.set(INT, at * target.rowBytes() + c / 2, turned);
                }
            }
            r = next;
        }
    }

    private void readGroups(QuantizedRows target, long row, long firstGroup, long begin, long end) {
        MemorySegment targetScales = target.scales();
        MemorySegment zeros = target.zeros();
        long groups = target.groups();
        for (long r = begin; r < end; r++) {
            for (long g = 0; g < groups; g++) {
                long from = (firstGroup + g) * outputs + row + r;
                targetScales.set(SHORT, (r * groups + g) * Short.BYTES, scales.get(SHORT, from * Short.BYTES));
                int zero = zero(firstGroup + g, row + r);
                if (format().zeros()) {
                    zeros.set(ValueLayout.JAVA_BYTE, r * groups + g, (byte) zero);
                } else if (zero != 1 << bits - 1) {
                    throw new InputException(folder.path() + ": " + module + ".qzeros has zero point " + zero
                            + ", expected " + (1 << bits - 1) + ", since sym is true and checkpoint_format is "
                            + (quantization.zeroOffset() == 1 ? "gptq" : "gptq_v2"));
                }
            }
        }
    }

    private int zero(long group, long output) {
        int word = Integer.SIZE / bits;
        int packed = qzeros.get(INT, (group * (outputs / word) + output / word) * Integer.BYTES);
        return (packed >>> bits * position[(int) (output % word)] & (1 << bits) - 1) + quantization.zeroOffset();
    }

    @Override
    public void close() {
        arena.close();
    }
}
