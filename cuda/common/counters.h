// Counters by which a block detects that it is the last of its group to finish. The counters are stored directly behind
// the workspace of a context, at pointer + bytes of ingrain_workspace, and occupy counter_bytes in all. All counters
// are 0 while no op runs, because the last block of a group to finish resets the group's counter to 0.
#pragma once
#include <cstdint>

constexpr int64_t counter_bytes = 256 << 10;
