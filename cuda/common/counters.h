// Counters with which blocks find out whether they are the last of their group to finish. They lie directly behind the
// workspace of a context, at pointer + bytes of ingrain_workspace, and take counter_bytes. All counters are 0 while no
// op runs: the block that finishes last sets its counter back to 0.
#pragma once
#include <cstdint>

constexpr int64_t counter_bytes = 256 << 10;
