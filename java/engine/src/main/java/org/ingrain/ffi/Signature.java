package org.ingrain.ffi;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Method handles for signatures in the notation of {@code ingrain.h}. A signature has one letter for the result,
 * followed by one letter for each parameter (i int32, l int64, f float, p pointer, w weight, b batch). Pointers are
 * passed as 64-bit integers. The first argument of a handle is the symbol's address, so that one constant handle works
 * for all backends.
 */
final class Signature {
    private Signature() {
    }

    static MethodHandle handle(String letters) {
        MemoryLayout[] parameters = letters.substring(1).chars().mapToObj(Signature::layout)
                .toArray(MemoryLayout[]::new);
        return Linker.nativeLinker().downcallHandle(FunctionDescriptor.of(layout(letters.charAt(0)), parameters));
    }

    private static MemoryLayout layout(int letter) {
        return switch (letter) {
            case 'i' -> ValueLayout.JAVA_INT;
            case 'f' -> ValueLayout.JAVA_FLOAT;
            case 'l', 'p', 'w', 'b' -> ValueLayout.JAVA_LONG;
            default -> throw new IllegalArgumentException("unknown parameter letter '" + (char) letter + "'");
        };
    }
}
