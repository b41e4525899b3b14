package org.ingrain.fuzz;

import com.code_intelligence.jazzer.api.HookType;
import com.code_intelligence.jazzer.api.MethodHook;
import java.lang.invoke.MethodHandle;
import org.ingrain.tensor.InputException;

/**
 * Throws an exception instead of starting a child process for a tokenizer.json, because a process per input is slow.
 * The tokenizers library itself is fuzzed only with the files for which no child process is needed.
 */
public final class NoEncoderProcess {
    private NoEncoderProcess() {
    }

    /** Replaces the call that encodes a text in the child process. */
    @MethodHook(type = HookType.REPLACE, targetClassName = "org.ingrain.tokenizer.EncoderProcess",
            targetMethod = "encode")
    public static Object encode(MethodHandle method, Object self, Object[] arguments, int hook) {
        throw new InputException("the child process is not started");
    }
}
