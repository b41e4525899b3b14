package org.ingrain.ffi;

import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The device of a context, read once from the JSON object of {@code ingrain_context_describe}.
 *
 * @param backend     cpu, cuda or simt
 * @param name        name of the processor or GPU
 * @param isa         instruction set or compute capability
 * @param threads     CPU threads, or multiprocessors of the GPU
 * @param memoryBytes total memory of the device in bytes
 * @param graphs      whether the device has graphs; if false, ops between {@link Context#beginGraph} and {@link
 *                    Context#endGraph} run at once instead of being recorded
 * @param driverBytes bytes that the driver may allocate on the device for kernel code and graphs while ops run; 0 on
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

    /** Whether a call only enqueues its op or copy. If false, the op or copy is complete when the call returns. */
    public boolean asynchronous() {
        return graphs;   // a device has graphs only if its stream is asynchronous
    }
}
