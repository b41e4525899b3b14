package org.ingrain.ffi;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The machine code of a CUDA source for one architecture. nvcc puts this code into the object file as an ELF file with
 * one section of instructions per kernel. On sm_80 and sm_90 an instruction has 16 bytes. Bits 0 to 11 are the opcode.
 * Bits 73 to 75 of a memory instruction are the width of the access.
 */
final class Cubin {
    private static final int ELF = 0x464c457f;   // 0x7f E L F, little-endian
    private static final int HEADER = 64;
    private static final int CUDA = 190;         // the e_machine of GPU code
    private static final int RESERVED_SHARED = 1024;   // bytes that sm_90 reserves before a kernel's own memory
    private static final Map<Integer, String> OPCODES = Map.of(
            0x981, "LDG", 0x986, "STG", 0x983, "LDL", 0x387, "STL", 0x987, "STL");
    private static final int PRODUCT = 0x23c;          // a product of the tensor core
    private static final int BRANCH = 0x947;
    private static final String[] WIDTHS = {"8", "8", "16", "16", "32", "64", "128", ""};

    private final Map<String, Map<String, Integer>> accesses = new TreeMap<>();
    private final Map<String, Long> staticShared = new TreeMap<>();
    private final Map<String, Loop> loops = new TreeMap<>();

    /** Numbers of instructions and of tensor core products in a loop. */
    record Loop(int instructions, int products) {
        double share() {
            return (double) products / instructions;
        }
    }

    /**
     * Reads the code for architecture {@code sm} from an object file of nvcc. The result is empty if the file has no
     * uncompressed code for this architecture.
     */
    static Optional<Cubin> of(Path object, int sm) throws IOException {
        ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(object)).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at + HEADER <= file.capacity(); at += Long.BYTES) {
            if (file.getInt(at) == ELF && file.getShort(at + 0x12) == CUDA
                    && (file.getInt(at + 0x30) >> 8 & 0xff) == sm) {
                return Optional.of(new Cubin(file.slice(at, file.capacity() - at).order(ByteOrder.LITTLE_ENDIAN)));
            }
        }
        return Optional.empty();
    }

    private Cubin(ByteBuffer elf) {
        int headers = (int) elf.getLong(0x28);
        int size = elf.getShort(0x3a);
        int count = elf.getShort(0x3c);
        int names = (int) elf.getLong(headers + elf.getShort(0x3e) * size + 0x18);
        for (int i = 0; i < count; i++) {
            int header = headers + i * size;
            String name = text(elf, names + elf.getInt(header));
            int offset = (int) elf.getLong(header + 0x18);
            int bytes = (int) elf.getLong(header + 0x20);
            if (name.startsWith(".text.")) {
                accesses.put(name.substring(".text.".length()), accesses(elf, offset, bytes));
                loop(elf, offset, bytes).ifPresent(loop -> loops.put(name.substring(".text.".length()), loop));
            } else if (name.startsWith(".nv.shared._Z")) {
                staticShared.put(name.substring(".nv.shared.".length()), (long) bytes - RESERVED_SHARED);
            }
        }
    }

    private static Map<String, Integer> accesses(ByteBuffer elf, int offset, int bytes) {
        Map<String, Integer> found = new TreeMap<>();
        for (int at = offset; at < offset + bytes; at += 16) {
            String opcode = OPCODES.get((int) (elf.getLong(at) & 0xfff));
            if (opcode != null) {
                found.merge(opcode + "." + WIDTHS[(int) (elf.getLong(at + 8) >> 9 & 7)], 1, Integer::sum);
            }
        }
        return found;
    }

    /**
     * Returns the loop in which tensor core products have the largest share of the instructions. This is the innermost
     * loop.
     */
    private static Optional<Loop> loop(ByteBuffer elf, int offset, int bytes) {
        Loop best = null;
        for (int at = 0; at < bytes; at += 16) {
            long low = elf.getLong(offset + at);
            if ((low & 0xfff) != BRANCH) {
                continue;
            }
            long high = elf.getLong(offset + at + 8) & 0x3ffff;
            long words = (high << 46 >> 16 | low >>> 34) << 8 | low >>> 16 & 0xff;
            long target = at + 16 + 4 * words;
            if (target < 0 || target > at) {
                continue;
            }
            int products = 0;
            for (long in = target; in <= at; in += 16) {
                products += (elf.getLong(offset + (int) in) & 0xfff) == PRODUCT ? 1 : 0;
            }
            Loop loop = new Loop((int) (at - target) / 16 + 1, products);
            if (products > 0 && (best == null || loop.share() > best.share())) {
                best = loop;
            }
        }
        return Optional.ofNullable(best);
    }

    private static String text(ByteBuffer elf, int at) {
        int end = at;
        while (elf.get(end) != 0) {
            end++;
        }
        byte[] bytes = new byte[end - at];
        elf.get(at, bytes);
        return new String(bytes, StandardCharsets.US_ASCII);
    }

    /** For each kernel (mangled name): the number of memory instructions by kind and width, such as STG.128. */
    Map<String, Map<String, Integer>> accesses() {
        return accesses;
    }

    /** For each kernel: its innermost loop with tensor core products. Kernels without such a loop are left out. */
    Map<String, Loop> loops() {
        return loops;
    }

    /** For each kernel: its bytes of static shared memory. Kernels without static shared memory are left out. */
    Map<String, Long> staticShared() {
        return staticShared;
    }
}
