#include "meeting.h"

namespace ingrain {

bool Meeting::wait(std::unique_lock<std::mutex>& lock) {
  if (ended_) return false;
  if (++arrived_ == ranks()) {
    arrived_ = 0;
    ++round_;
    all_here_.notify_all();
    return true;
  }
  const uint64_t round = round_;
  all_here_.wait(lock, [&] { return round_ != round || ended_; });
  return round_ != round;
}

bool Meeting::publish(int32_t rank, const void* address) {
  std::unique_lock lock(mutex_);
  published_[static_cast<size_t>(rank)] = address;
  return wait(lock);
}

bool Meeting::release() {
  std::unique_lock lock(mutex_);
  return wait(lock);
}

void Meeting::end() {
  std::lock_guard lock(mutex_);
  ended_ = true;
  all_here_.notify_all();
}

}  // namespace ingrain
