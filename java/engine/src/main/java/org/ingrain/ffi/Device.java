package org.ingrain.ffi;

import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a context computes on, read once from the JSON object of {@code ingrain_context_describe}.
 *
 * @param backend     cpu, cuda or simt
 * @param name        of the processor or the card
 * @param isa         instruction set or compute capability
 * @param threads     CPU threads, or multiprocessors of the card
 * @param memoryBytes of the device
 * @param graphs      whether ops between {@link Context#beginGraph} and {@link Context#endGraph} are recorded; else
 *                    they run
 * @param driverBytes of the device's memory that its driver may take while ops run, for kernels' code and graphs; 0 on
 *                    the CPU
 */
public record Device(String backend, String name, String isa, int threads, long memoryBytes, boolean graphs,
        long driverBytes) {
    static Device parse(String json) {
        JsonNode fields = JsonMapper.shared().readTree(json);
        return new Device(fields.path("backend").asString(""), fields.path("name").asString(""),
                fields.path("isa").asString(""), fields.path("threads").asInt(0), fields.path("memory_bytes").asLong(0),
                fields.path("graphs").asBoolean(false), fields.path("driver_bytes").asLong(0));
    }

    /** Whether ops and copies may run after their calls have returned; else they have run by then. */
    public boolean asynchronous() {
        return graphs;   // a stream that can be captured runs beside the host
    }
}
