package org.ingrain.djl;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.engine.StandardCapabilities;
import ai.djl.ndarray.NDManager;
import ai.djl.util.passthrough.PassthroughNDManager;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.ingrain.ffi.Backend;
import org.ingrain.ffi.NativeLibraries;
import org.ingrain.tensor.InputException;

/**
 * The DJL engine "Ingrain". It generates text and has no NDArrays of its own. Its default device is the CPU even on a
 * machine with GPUs, as in {@link org.ingrain.engine.ModelOptions}. Its high rank prevents DJL from choosing it as the
 * default engine. Programs select it by name, with {@code Criteria.optEngine("Ingrain")}.
 */
public final class IngrainEngine extends Engine {
    /** The name for {@code Criteria.optEngine}. */
    public static final String NAME = "Ingrain";
    /**
     * Rank of this engine. DJL's default engine is the one with the lowest rank; DJL's RPC engine, for example, has 15.
     */
    static final int RANK = 100;

    IngrainEngine() {
    }

    @Override
    public Engine getAlternativeEngine() {
        return null;
    }

    @Override
    public String getEngineName() {
        return NAME;
    }

    @Override
    public int getRank() {
        return RANK;
    }

    @Override
    public String getVersion() {
        return Objects.requireNonNullElse(IngrainEngine.class.getPackage().getImplementationVersion(), "development");
    }

    @Override
    public boolean hasCapability(String capability) {
        return StandardCapabilities.CUDA.equals(capability) && getGpuCount() > 0;
    }

    @Override
    public Device defaultDevice() {
        return Device.cpu();
    }

    /** Number of GPUs on which the CUDA backend can compute; 0 without the backend or without a driver. */
    @Override
    public int getGpuCount() {
        try (Backend backend = Backend.open(NativeLibraries.find("cuda"))) {
            return backend.deviceCount();
        } catch (InputException absent) {
            return 0;
        }
    }

    /** Throws an exception, because each request has its own seed. */
    @Override
    public void setRandomSeed(int seed) {
        throw new UnsupportedOperationException("the engine " + NAME + " has no seed, expected the option seed of a "
                + "model or SamplingParams.withSeed");
    }

    @Override
    public Model newModel(String name, Device device) {
        return new IngrainModel(this, name, device);
    }

    @Override
    public NDManager newBaseManager() {
        return newBaseManager(null);
    }

    @Override
    public NDManager newBaseManager(Device device) {
        return new PassthroughNDManager(this, device);
    }

    /** Returns a device name for {@link org.ingrain.engine.ModelOptions}, such as {@code cuda:0,1}. */
    static String name(Device device) {
        List<Device> devices = device.getDevices();
        if (device.equals(Device.cpu())) {
            return "cpu";
        }
        if (!devices.stream().allMatch(Device::isGpu)) {
            throw InputException.field("device", device + ", expected cpu() or gpu(N)");
        }
        return devices.size() == 1 && devices.getFirst().getDeviceId() < 0 ? "cuda" : "cuda:" + devices.stream()
                .map(gpu -> String.valueOf(gpu.getDeviceId())).collect(Collectors.joining(","));
    }
}
