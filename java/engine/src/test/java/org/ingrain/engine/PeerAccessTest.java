package org.ingrain.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.Emulator;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.tensor.BackendException;
import org.junit.jupiter.api.Test;

class PeerAccessTest {
    /**
     * Devices 0 and 1 can access each other, and so can devices 2 and 3. Device 1 can also access device 2, but
     * device 2 cannot access device 1.
     */
    private static final PeerAccess PAIRS = new PeerAccess("cuda",
            (device, peer) -> device / 2 == peer / 2 || device == 1 && peer == 2);

    @Test
    void linesNameTheDevicesThatADeviceCanAccess() {
        assertEquals(List.of(), PAIRS.lines(1));
        assertEquals(List.of("cuda     peer access between all 2 devices"), PAIRS.lines(2));
        assertEquals(List.of("cuda:0   peer access to cuda:1", "cuda:1   peer access to cuda:0,2",
                "cuda:2   peer access to no other device"), PAIRS.lines(3));
    }

    @Test
    void apartAreTwoDevicesOfWhichOneCannotAccessTheOther() {
        assertEquals(Optional.empty(), PAIRS.apart(List.of(2, 3)));
        assertEquals(Optional.of("cuda:1 and cuda:2"), PAIRS.apart(List.of(1, 2)));
        assertEquals(Optional.of("cuda:3 and cuda:0"), PAIRS.apart(List.of(3, 2, 0)));
    }

    @Test
    void backendsSayWhatTheirDevicesCanAccess() {
        try (Backend cpu = Backend.open(NativeLibraries.find("cpu"));
                Backend simt = Backend.open(NativeLibraries.find("simt"))) {
            assertTrue(cpu.canAccessPeer(0, 0));
            assertThrows(BackendException.class, () -> cpu.canAccessPeer(0, 1));
            assertEquals(List.of("simt     peer access between all 8 devices"), PeerAccess.of("simt", simt).lines(8));
            Emulator.setPeers(false);
            try {
                assertFalse(simt.canAccessPeer(0, 1));
                assertTrue(simt.canAccessPeer(7, 7));
                assertEquals(IntStream.range(0, 8).mapToObj(
                        i -> "simt:" + i + "   peer access to no other device").toList(),
                        PeerAccess.of("simt", simt).lines(8));
            } finally {
                Emulator.setPeers(true);
            }
            assertThrows(BackendException.class, () -> simt.canAccessPeer(0, 8));
            assertThrows(BackendException.class, () -> simt.canAccessPeer(-1, 0));
        }
    }
}
