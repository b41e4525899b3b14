#include "host_memory.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace ingrain {
namespace {

// Returns the number that follows `key` in a file with lines "key number" or "key: number kB". `key` includes the
// colon. Returns -1 if no line has this key.
int64_t field(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  int64_t value;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    if (words >> word >> value && word == key) return value;
  }
  return -1;
}

int64_t number(const std::string& path) {  // -1 if the file does not exist or contains "max" (no limit)
  std::ifstream file(path);
  int64_t value;
  return file >> value ? value : -1;
}

struct Files { const char* limit; const char* usage; const char* reclaimable; };
constexpr Files version_1 = {"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file"};
constexpr Files version_2 = {"/memory.max", "/memory.current", "inactive_file"};

// Lowers `memory` to the limits of a control group and of its ancestors, up to the root of the hierarchy.
void apply_limits(HostMemory& memory, const std::string& root, std::string group, const Files& files) {
  for (;;) {
    const std::string folder = root + group;
    const int64_t limit = number(folder + files.limit), usage = number(folder + files.usage);
    if (limit >= 0 && usage >= 0 && limit < memory.total_bytes) {
      const int64_t reclaimable = std::max<int64_t>(0, field(folder + "/memory.stat", files.reclaimable));
      memory.total_bytes = limit;
      memory.free_bytes = std::min(memory.free_bytes, std::max<int64_t>(0, limit - usage + reclaimable));
    }
    if (group.empty() || group == "/") return;
    group.resize(group.find_last_of('/'));
  }
}

}  // namespace

HostMemory host_memory() {
  HostMemory memory{std::max<int64_t>(0, field("/proc/meminfo", "MemAvailable:")) * 1024,
                    std::max<int64_t>(0, field("/proc/meminfo", "MemTotal:")) * 1024};
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // hierarchy:controllers:path
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string path = line.substr(second + 1);
    line.resize(second);
    line.erase(0, first + 1);
    if (line.empty()) apply_limits(memory, "/sys/fs/cgroup", path, version_2);
    if (line.find("memory") != std::string::npos) apply_limits(memory, "/sys/fs/cgroup/memory", path, version_1);
  }
  return memory;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.size(), line.find(':') + 2));
  return "x86-64";
}

}  // namespace ingrain
