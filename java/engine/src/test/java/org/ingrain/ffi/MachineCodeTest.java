package org.ingrain.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Checks the machine code that ptxas generates for sm_90a. Reads the code from the object files of the CUDA library.
 * These files exist only if nvcc is installed.
 */
class MachineCodeTest {
    /** Bytes of static shared memory that the emulator assumes for every kernel (simt::static_shared). */
    private static final long STATIC_SHARED = 1024;
    /**
     * Maximum bytes of static shared memory of kernels that use less than 32 KB of dynamic shared memory. For these
     * kernels, launch.h does not raise the limit of 48 KB for the sum of static and dynamic shared memory.
     */
    private static final long WITHOUT_DYNAMIC = 16 << 10;

    private static Cubin cubin(String stem) throws IOException {
        Path file = Path.of(System.getProperty("ingrain.root", "../.."),
                "build/release/CMakeFiles/ingrain_cuda.dir/cuda/ops", stem + ".cu.o");
        if (!Files.exists(file)) {
            System.out.println("Skipped: no " + file + ", since the build found no nvcc");
            abort("no CUDA library");
        }
        return Cubin.of(file, 90).orElseGet(() -> {
            System.out.println("Skipped: no uncompressed code for sm_90a in " + file);
            return abort("no code for sm_90a");
        });
    }

    /**
     * The sum of static and dynamic shared memory is limited; the default limit is 48 KB. So a kernel with more static
     * memory can request less dynamic memory.
     */
    @ParameterizedTest
    @ValueSource(strings = {"sample", "lora", "attention_paged"})
    void kernelsWithDynamicSharedMemoryHaveLittleThatIsStatic(String stem) throws IOException {
        cubin(stem).staticShared().forEach((kernel, bytes) ->
                assertTrue(bytes <= (kernel.contains("plainly") ? WITHOUT_DYNAMIC : STATIC_SHARED),
                        kernel + " has " + bytes + " bytes"));
    }

    /** A kernel that loads words of 16 bytes also stores words of 16 bytes, or of 8 bytes (four results of 2 bytes). */
    @ParameterizedTest
    @ValueSource(strings = {"gather_rows", "silu_mul", "rope", "rope_cache", "convert", "cross_entropy"})
    void wideKernelsStoreWideWords(String stem) throws IOException {
        Map<String, Map<String, Integer>> wide = new TreeMap<>(cubin(stem).accesses());
        wide.values().removeIf(accesses -> !accesses.containsKey("LDG.128"));
        assertFalse(wide.isEmpty(), "no kernel loads 16 bytes");
        wide.forEach((kernel, accesses) -> {
            if (accesses.keySet().stream().anyMatch(access -> access.startsWith("STG"))) {
                assertTrue(accesses.containsKey("STG.128") || accesses.containsKey("STG.64") || isStatistic(kernel),
                        kernel + ": " + accesses);
            }
        });
    }

    /** The forward pass of the loss stores one value per row, so it has no wide stores. */
    private static boolean isStatistic(String kernel) {
        return kernel.contains("cross_entropy") && kernel.contains("forward");
    }

    @Test
    void nothingSpills() throws IOException {
        for (String stem : List.of("sample", "lora", "attention", "attention_backward", "attention_paged",
                "gather_rows", "silu_mul", "rope", "rope_cache", "cross_entropy", "matmul", "matmul_silu_mul",
                "norm_matmul")) {
            cubin(stem).accesses().forEach((kernel, accesses) -> assertEquals(0,
                    accesses.keySet().stream().filter(access -> access.startsWith("LDL") || access.startsWith("STL"))
                    .count(), kernel + ": " + accesses));
        }
    }

    /**
     * A type of weight.
     *
     * @param bytes bytes per element
     * @param limit largest number of instructions that the warps may execute per KiB of the weight
     */
    private record Elements(double bytes, int limit) {
    }

    /**
     * Limits the number of instructions that the warps of few_rows execute per KiB of the weight. In one clock, each
     * multiprocessor of an H200 receives 19 bytes from memory and starts four instructions. So 140 instructions take
     * two thirds of the time in which the memory delivers one KiB. One tensor core product reads 16 by 16 elements of
     * the weight and 8 tokens, so a kernel with tiles of 16 tokens executes two products for these elements.
     */
    @ParameterizedTest
    @CsvSource({"matmul, 10", "matmul_silu_mul, 10", "norm_matmul, 8"})
    void fewRowsTakesFewInstructions(String stem, int kernels) throws IOException {
        int seen = limited(stem, "few_rows.*(fp8|bfloat16).*Lb[01]ELi\\d",
                Map.of("fp8", new Elements(1, 140), "bfloat16", new Elements(2, 58)));
        assertTrue(seen >= kernels, seen + " kernels");
    }

    /**
     * Limits these instructions in the same way for mid_rows, which multiplies each 16 by 16 elements of the weight by
     * up to 64 tokens. The loops for INT8 and INT4 contain the loads of scales for three sizes of groups, of which only
     * one is executed.
     */
    @ParameterizedTest
    @ValueSource(strings = {"matmul", "matmul_silu_mul"})
    void midRowsTakesFewInstructions(String stem) throws IOException {
        assertEquals(11, limited(stem, "mid_rows.*(fp8|Int8|Int4).*Lb[01]", Map.of("fp8", new Elements(1, 150),
                "Int8", new Elements(1, 210), "Int4", new Elements(0.5, 460))), "number of kernels");
    }

    /**
     * The same for the kernel that computes the sums of LoRA in one pass over an activation. In one iteration, a warp
     * multiplies 16 rows of 64 columns, which are 2 KiB. Per KiB, a multiprocessor can start 216 instructions.
     */
    @Test
    void passesOfLoraTakeFewInstructions() throws IOException {
        Pattern name = Pattern.compile("4passILb([01])ELb([01])ELb0E");
        int seen = 0;
        for (var kernel : cubin("lora").loops().entrySet()) {
            Matcher matcher = name.matcher(kernel.getKey());
            if (matcher.find()) {
                boolean both = matcher.group(1).equals(matcher.group(2));
                assertEquals(both ? 48 : 24, kernel.getValue().products(), kernel.getKey());
                assertTrue(kernel.getValue().instructions() <= (both ? 310 : 210), kernel::toString);
                seen++;
            }
        }
        assertEquals(4, seen, "number of kernels");
    }

    /**
     * Checks the loops of the kernels whose names match {@code prefix} followed by a number of tiles of 8 tokens. A
     * group in {@code prefix} captures the type of the weight. Returns the number of these kernels.
     */
    private static int limited(String stem, String prefix, Map<String, Elements> types) throws IOException {
        Pattern name = Pattern.compile(prefix + "ELi(\\d)E");
        int seen = 0;
        for (var kernel : cubin(stem).loops().entrySet()) {
            Matcher matcher = name.matcher(kernel.getKey());
            if (matcher.find()) {
                Elements type = types.get(matcher.group(1));
                int elements = kernel.getValue().products() / Integer.parseInt(matcher.group(2)) * 256;
                double each = kernel.getValue().instructions() * 1024 / (type.bytes() * elements);
                assertTrue(each <= type.limit(), kernel + ": " + each + " instructions per KiB");
                seen++;
            }
        }
        return seen;
    }

    /**
     * The loop of attention over a cache for items of many rows. In one iteration, a warp multiplies 16 rows by 64 keys
     * and by 64 values, which takes 132 products. Most iterations skip the instructions that hide keys.
     */
    @Test
    void pagedAttentionTakesFewInstructions() throws IOException {
        Map<String, Cubin.Loop> loops = new TreeMap<>(cubin("attention_paged").loops());
        loops.keySet().removeIf(name -> !name.contains("Li128ELb1E"));
        assertEquals(2, loops.size(), loops::toString);
        loops.forEach((kernel, loop) -> {
            assertEquals(132, loop.products(), kernel + ": " + loop);
            assertTrue(loop.instructions() <= (kernel.contains("e4m3") ? 1950 : 1000), kernel + ": " + loop);
        });
    }

    /**
     * In the loops of training attention at head_dim 128, at least a fifth of all instructions are HMMA instructions.
     * The backward kernel with 64 keys is tested below only: it has half of the products, but all rarely executed code.
     */
    @Test
    void attentionConsistsOfProducts() throws IOException {
        Map<String, Cubin.Loop> loops = new TreeMap<>(cubin("attention").loops());
        loops.putAll(cubin("attention_backward").loops());
        loops.keySet().removeIf(name -> !name.contains("ILi128E") || name.contains("gradientsILi128ELi64E"));
        assertEquals(3, loops.size(), loops::toString);
        loops.forEach((kernel, loop) -> assertTrue(loop.share() >= 0.2, kernel + ": " + loop));
    }

    /**
     * The loop of the backward pass of attention at head_dim 128. In one iteration, a warp computes its part of five
     * products of 64 tokens and 128 or 64 keys. Of the instructions, about 340 hide keys, write dq or go on to the next
     * tokens. Most iterations skip these.
     */
    @Test
    void attentionBackwardTakesFewInstructions() throws IOException {
        Map<String, Cubin.Loop> loops = new TreeMap<>(cubin("attention_backward").loops());
        loops.keySet().removeIf(name -> !name.contains("gradientsILi128E"));
        assertEquals(3, loops.size(), loops::toString);
        loops.forEach((kernel, loop) -> {
            boolean wide = kernel.contains("gradientsILi128ELi128E");
            assertEquals(wide ? 320 : 160, loop.products(), kernel + ": " + loop);
            assertTrue(loop.instructions() <= (wide ? 1500 : 1120), kernel + ": " + loop);
        });
    }
}
