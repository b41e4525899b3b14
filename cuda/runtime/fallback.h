// Calls that a slower kernel computes than the one meant for them: counted by op and sizes, as context_describe says.
#pragma once
#include "launch.h"

namespace ingrain {

// what: op, sizes and reason, in one line without quotes.
void note_fallback(ingrain_context* ctx, const char* what);

}  // namespace ingrain
