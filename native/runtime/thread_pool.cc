#include "thread_pool.h"

#include <algorithm>
#include <immintrin.h>

namespace ingrain {
namespace {
constexpr int spin_rounds = 2000;  // about 40 µs: longer than the gap between two ops of a step, shorter than a step of Java's
}

ThreadPool::ThreadPool(int32_t threads) {
  for (int32_t i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::take_pieces() {
  for (;;) {
    const int64_t begin = next_.fetch_add(piece_, std::memory_order_relaxed);
    if (begin >= n_) return;
    task_(body_, begin, std::min(begin + piece_, n_));
  }
}

void ThreadPool::work() {
  uint64_t seen = 0;
  for (;;) {
    int round = 0;
    while (generation_.load(std::memory_order_acquire) == seen && round++ < spin_rounds) _mm_pause();
    if (generation_.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(mutex_);
      ++sleeping_;
      wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
      --sleeping_;
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_) return;
    take_pieces();
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::run(int64_t n, int64_t grain, Task task, const void* body) {
  if (n <= 0) return;
  if (workers_.empty() || n <= grain) {
    task(body, 0, n);
    return;
  }
  const int64_t pieces = std::min<int64_t>((n + grain - 1) / grain, 8L * threads());
  task_ = task;
  body_ = body;
  n_ = n;
  piece_ = (n + pieces - 1) / pieces;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int32_t>(workers_.size()), std::memory_order_relaxed);
  bool anyone_asleep;
  {
    std::lock_guard lock(mutex_);
    generation_.fetch_add(1, std::memory_order_release);
    anyone_asleep = sleeping_ > 0;
  }
  if (anyone_asleep) wake_.notify_all();
  take_pieces();
  for (int round = 0; busy_.load(std::memory_order_acquire) != 0;) {
    if (++round < spin_rounds) _mm_pause();
    else std::this_thread::yield();
  }
}

}  // namespace ingrain
