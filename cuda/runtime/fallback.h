// Calls that a slower kernel computes than the one meant for them: counted, and the first of them told by context_describe.
#pragma once
#include "launch.h"

namespace ingrain {

// what: op, sizes and reason, in one line.
void note_fallback(ingrain_context* ctx, const char* what);

}  // namespace ingrain
