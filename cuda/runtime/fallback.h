// Counts calls that a slower fallback kernel computes, by op and sizes; context_describe reports them.
#pragma once
#include "launch.h"

namespace ingrain {

// what: op, sizes and reason; one line without quotes.
void note_fallback(ingrain_context* ctx, const char* what);

}  // namespace ingrain
