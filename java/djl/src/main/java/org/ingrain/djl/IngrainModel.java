package org.ingrain.djl;

import ai.djl.BaseModel;
import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Block;
import ai.djl.translate.Translator;
import ai.djl.util.passthrough.PassthroughNDManager;
import java.nio.file.Path;
import java.util.Map;
import org.ingrain.engine.Engine;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.InputException;

/**
 * A model of the engine "Ingrain". {@link #load} reads a Hugging Face folder. All predictors of the model share one
 * generator and its batch, and may be used by different threads at the same time.
 */
final class IngrainModel extends BaseModel {
    private final IngrainEngine owner;
    /** The device that the program selected; null if the options select it. */
    private final Device device;
    private GenerationBlock loaded;

    IngrainModel(IngrainEngine owner, String name, Device device) {
        super(name);
        this.owner = owner;
        this.device = device;
        manager = owner.newBaseManager(device);
    }

    /**
     * Loads a Hugging Face folder.
     *
     * @param prefix  must be null, because this engine does not use it
     * @param options the options that {@link LoadOptions} accepts; null for no options
     * @throws MalformedModelException if the folder, a device or an option is refused
     */
    @Override
    public void load(Path modelPath, String prefix, Map<String, ?> options) throws MalformedModelException {
        if (loaded != null) {
            throw new IllegalStateException("the model " + modelName + " is already loaded");
        }
        try {
            if (prefix != null) {
                throw InputException.field("prefix", "'" + prefix + "', expected none for a Hugging Face folder");
            }
            for (String argument : properties.keySet()) {   // DJL passes the arguments of Criteria as properties
                if (LoadOptions.isOption(argument)) {
                    throw InputException.field(argument, "given as an argument, expected optOption(\"" + argument
                            + "\", ...)");
                }
            }
            setModelDir(modelPath);
            LoadOptions settings = LoadOptions.parse(modelDir, device, options == null ? Map.of() : options);
            Engine engine = Engine.open(settings.model());
            try {
                loaded = new GenerationBlock(engine, settings);
            } catch (RuntimeException e) {
                engine.close();
                throw e;
            }
            block = loaded;
            dataType = engine.precision().activations() == DType.F32 ? DataType.FLOAT32 : DataType.BFLOAT16;
            manager = new PassthroughNDManager(owner, settings.device());
            wasLoaded = true;
        } catch (InputException refused) {
            throw new MalformedModelException(refused.getMessage(), refused);
        }
    }

    @Override
    public void setBlock(Block block) {
        throw new UnsupportedOperationException("the engine " + IngrainEngine.NAME + " loads its own block, expected "
                + "none");
    }

    @Override
    public <I, O> Predictor<I, O> newPredictor(Translator<I, O> translator, Device where) {
        if (!where.equals(manager.getDevice())) {
            throw InputException.field("device", where + ", expected that of the model, " + manager.getDevice());
        }
        return new IngrainPredictor<>(this, translator, where);
    }

    /** Cancels all requests and frees the model's memory. */
    @Override
    public void close() {
        if (loaded != null) {
            loaded.close();
        }
        super.close();
    }

    /**
     * Overrides DJL's finalizer and does nothing. DJL's finalizer would log a warning for every model, because it does
     * not detect that {@link #close} was called.
     */
    @Override
    @SuppressWarnings({"deprecation", "removal"})
    protected void finalize() {
    }
}
