package org.ingrain.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CudaLibraryTest {
    @TempDir
    private Path folder;

    @Test
    void isFoundInCudaHomeThenInWheelsNewestFirst() throws IOException {
        Path toolkit = made("cuda/lib64/libcublasLt.so.12");
        Path wheel = made("venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13");
        Path old = made("python/lib/python3.11/site-packages/nvidia/cublas/lib/libcublasLt.so.12");
        made("python/bin/python3");
        Path user = made("home/.local/lib/python3.10/site-packages/nvidia/cublas/lib/libcublasLt.so.12");
        made("venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcublas.so.13");
        Map<String, String> environment = Map.of("CUDA_HOME", folder.resolve("cuda").toString(), "VIRTUAL_ENV",
                folder.resolve("venv").toString(), "PATH",
                folder.resolve("nowhere") + ":" + folder.resolve("python/bin"));
        List<Path> found = CudaLibrary.CUBLASLT.candidates(environment, folder.resolve("home")).stream()
                .filter(file -> file.startsWith(folder)).toList();
        assertEquals(List.of(wheel, toolkit, old, user), found);
    }

    @Test
    void ncclIsFoundInItsOwnWheel() throws IOException {
        Path wheel = made("venv/lib/python3.12/site-packages/nvidia/nccl/lib/libnccl.so.2");
        made("venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13");
        List<Path> found = CudaLibrary.NCCL.candidates(Map.of("VIRTUAL_ENV", folder.resolve("venv").toString()),
                folder.resolve("home")).stream().filter(file -> file.startsWith(folder)).toList();
        assertEquals(List.of(wheel), found);
        InputException refused = assertThrows(InputException.class, () -> CudaLibrary.NCCL.load(wheel));
        assertTrue(refused.getMessage().startsWith("nccl: " + wheel + ": "), refused::getMessage);
    }

    @Test
    void aNamedFileIsRefusedByName() throws IOException {
        Path text = made("libcublasLt.so.13");
        for (Path file : List.of(folder.resolve("libcublasLt.so.12"), folder.resolve("libm.so"), text)) {
            InputException refused = assertThrows(InputException.class, () -> CudaLibrary.CUBLASLT.load(file));
            assertTrue(refused.getMessage().contains(file.toString()), refused::getMessage);
        }
    }

    private Path made(String name) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, "no library");
    }
}
