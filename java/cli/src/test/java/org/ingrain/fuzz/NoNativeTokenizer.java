package org.ingrain.fuzz;

import com.code_intelligence.jazzer.api.HookType;
import com.code_intelligence.jazzer.api.MethodHook;
import java.lang.invoke.MethodHandle;
import org.ingrain.tensor.InputException;

/**
 * Ends the reading of a tokenizer.json where the native library would parse it: a panic in that library ends the
 * process. A run without this hook tests the library as well.
 */
public final class NoNativeTokenizer {
    private NoNativeTokenizer() {
    }

    /** Replaces the call that makes a tokenizer. */
    @MethodHook(type = HookType.REPLACE, targetClassName = "ai.djl.huggingface.tokenizers.HuggingFaceTokenizer",
            targetMethod = "newInstance")
    public static Object newInstance(MethodHandle method, Object self, Object[] arguments, int hook) {
        throw new InputException("the native library is not called");
    }
}
