// Counters of arriving blocks: behind the workspace of a context (at pointer + bytes of ingrain_workspace) lie
// counter_bytes more, which are 0 whenever no op runs. The block that reads the last arrival from a counter sets it
// back to 0.
#pragma once
#include <cstdint>

constexpr int64_t counter_bytes = 256 << 10;
