package org.ingrain.djl;

import ai.djl.engine.Engine;
import ai.djl.engine.EngineProvider;
import org.ingrain.tokenizer.DjlSettings;

/**
 * Registers the engine "Ingrain" with DJL, which finds this class through ServiceLoader. The constructor disables DJL's
 * telemetry, unless OPT_OUT_TRACKING is already set. DJL calls the constructor before it sends telemetry.
 */
public final class IngrainEngineProvider implements EngineProvider {
    private final Engine engine = new IngrainEngine();

    public IngrainEngineProvider() {
        DjlSettings.disableTelemetry();
    }

    @Override
    public String getEngineName() {
        return IngrainEngine.NAME;
    }

    @Override
    public int getEngineRank() {
        return IngrainEngine.RANK;
    }

    @Override
    public Engine getEngine() {
        return engine;
    }
}
