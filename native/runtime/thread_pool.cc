#include "thread_pool.h"

#include <algorithm>
#include <immintrin.h>

namespace ingrain {
namespace {
// All spin rounds together take about 40 µs. This is longer than the pause between two ops of a step, but shorter than
// the pause between two steps, in which Java works.
constexpr int spin_rounds = 2000;

template <class Condition>
bool spin_until(const Condition& condition) {
  for (int round = 0; round < spin_rounds; ++round) {
    if (condition()) return true;
    _mm_pause();
  }
  return false;
}
}  // namespace

ThreadPool::ThreadPool(int32_t threads) {
  try {
    for (int32_t i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
  } catch (...) {
    stop();  // the destructor of a std::thread that is not joined ends the process
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::take_pieces() {
  int32_t left = left_.load(std::memory_order_acquire);
  while (left > 0) {
    // Until `open_` is decremented below, no later call of `run` can replace this range, because `run` returns only
    // after every piece is finished.
    if (!left_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
    const int64_t begin = (pieces_ - left) * piece_;
    task_(body_, begin, std::min(begin + piece_, n_));
    if (open_.fetch_sub(1, std::memory_order_acq_rel) == 1) open_.notify_one();
    left = left_.load(std::memory_order_acquire);
  }
}

void ThreadPool::work() {
  const auto wanted = [this] { return left_.load(std::memory_order_acquire) > 0 || stopping_; };
  while (!stopping_) {
    if (!spin_until(wanted)) {
      std::unique_lock lock(mutex_);
      ++sleeping_;
      wake_.wait(lock, wanted);
      --sleeping_;
    }
    take_pieces();
  }
}

void ThreadPool::run(int64_t n, int64_t grain, Task task, const void* body) {
  if (n <= 0) return;
  if (workers_.empty() || n <= grain) {
    task(body, 0, n);
    return;
  }
  const int64_t most = std::min<int64_t>((n + grain - 1) / grain, 8L * threads());
  task_ = task;
  body_ = body;
  n_ = n;
  piece_ = (n + most - 1) / most;
  pieces_ = (n + piece_ - 1) / piece_;
  open_.store(static_cast<int32_t>(pieces_), std::memory_order_relaxed);
  bool anyone_asleep;
  {
    std::lock_guard lock(mutex_);
    left_.store(static_cast<int32_t>(pieces_), std::memory_order_release);
    anyone_asleep = sleeping_ > 0;
  }
  if (anyone_asleep) wake_.notify_all();
  take_pieces();
  if (spin_until([this] { return open_.load(std::memory_order_acquire) == 0; })) return;
  for (int32_t open; (open = open_.load(std::memory_order_acquire)) != 0;) open_.wait(open, std::memory_order_acquire);
}

}  // namespace ingrain
