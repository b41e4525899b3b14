package org.ingrain.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.BiPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ingrain.ffi.Backend;

/**
 * Peer access between the devices of a backend. A device with peer access to another device can access the memory of
 * that device directly, over NVLink or PCIe. If two devices have no peer access to each other, only NCCL can compute
 * collectives between their ranks.
 *
 * @param backend name of the backend, such as {@code cuda}
 * @param direct  whether the first device can access the memory of the second; true if both are the same device
 */
public record PeerAccess(String backend, BiPredicate<Integer, Integer> direct) {
    /** @param name name of the backend, such as {@code cuda} */
    public static PeerAccess of(String name, Backend backend) {
        return new PeerAccess(name, backend::canAccessPeer);
    }

    /**
     * The numbers of the other devices whose memory {@code device} can access.
     *
     * @param device  number of the device
     * @param devices number of devices, which are numbered from 0
     */
    public List<Integer> peers(int device, int devices) {
        return IntStream.range(0, devices).filter(peer -> peer != device && direct.test(device, peer)).boxed().toList();
    }

    /**
     * Describes the peer access among devices 0 to {@code devices} - 1: one line if every device can access the memory
     * of every other device, otherwise one line for each device. The list is empty if there is only one device.
     */
    public List<String> lines(int devices) {
        if (devices < 2) {
            return List.of();
        }
        if (apart(IntStream.range(0, devices).boxed().toList()).isEmpty()) {
            return List.of(line(backend, "between all " + devices + " devices"));
        }
        List<String> lines = new ArrayList<>();
        for (int device = 0; device < devices; device++) {
            List<Integer> peers = peers(device, devices);
            lines.add(line(backend + ":" + device, peers.isEmpty() ? "to no other device" : "to " + backend + ":"
                    + peers.stream().map(String::valueOf).collect(Collectors.joining(","))));
        }
        return lines;
    }

    private static String line(String device, String access) {
        return String.format(Locale.ROOT, "%-8s peer access %s", device, access);
    }

    /** The first two of these devices that cannot access each other's memory: {@code cuda:0 and cuda:2}. */
    Optional<String> apart(List<Integer> devices) {
        for (int i = 0; i < devices.size(); i++) {
            for (int peer : devices.subList(0, i)) {
                int device = devices.get(i);
                if (!direct.test(device, peer) || !direct.test(peer, device)) {
                    return Optional.of(backend + ":" + peer + " and " + backend + ":" + device);
                }
            }
        }
        return Optional.empty();
    }
}
