// The memory that this process can use: the machine's memory, or less if a control group sets a limit.
#pragma once
#include <cstdint>
#include <string>

namespace ingrain {

struct HostMemory { int64_t free_bytes, total_bytes; };

HostMemory host_memory();
std::string cpu_name();  // from /proc/cpuinfo

}  // namespace ingrain
