// Synchronizes ranks that are threads of one process: a barrier, and one address per rank that the others can read.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

namespace ingrain {

class Meeting {
 public:
  explicit Meeting(int32_t ranks) : published_(static_cast<size_t>(ranks)) {}

  int32_t ranks() const { return static_cast<int32_t>(published_.size()); }
  // Publishes an address and waits until every rank has published its own. False if end() came first.
  bool publish(int32_t rank, const void* address);
  const void* of(int32_t rank) const { return published_[static_cast<size_t>(rank)]; }
  // Waits until every rank is done with what the others published. False if end() came first.
  bool release();
  // Releases all ranks that wait now or later; their waits return false.
  void end();

 private:
  bool wait(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable all_here_;
  std::vector<const void*> published_;
  int32_t arrived_ = 0;
  uint64_t round_ = 0;
  bool ended_ = false;
};

}  // namespace ingrain
