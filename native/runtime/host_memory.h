// How much memory this process can still have: what the machine has, or less where a control group sets a limit.
#pragma once
#include <cstdint>
#include <string>

namespace ingrain {

struct HostMemory { int64_t free_bytes, total_bytes; };

HostMemory host_memory();
std::string cpu_name();  // as /proc/cpuinfo names it

}  // namespace ingrain
