// Counts calls that a slower fallback kernel computes, by op and sizes; context_describe reports them.
#pragma once
#include "launch.h"

namespace ingrain {

// Counts one call that a fallback kernel computes. `what` is one line without quotes: op, sizes and reason.
void note_fallback(ingrain_context* ctx, const char* what);

}  // namespace ingrain
