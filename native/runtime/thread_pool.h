// A fixed number of threads that take pieces of an index range. A worker without work spins briefly and then sleeps
// until the next range. The caller waits until all pieces are finished. It does not wait for workers without a piece,
// so a worker that the system does not schedule causes no delay.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace ingrain {

class ThreadPool {
 public:
  using Task = void (*)(const void* body, int64_t begin, int64_t end);

  static constexpr int32_t most_threads = 4096;

  // The parameter `threads` is the number of threads including the caller, 1 to most_threads. If a thread cannot be
  // started, the constructor stops all started threads and throws std::system_error.
  explicit ThreadPool(int32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int32_t threads() const { return static_cast<int32_t>(workers_.size()) + 1; }
  void run(int64_t n, int64_t grain, Task task, const void* body);

 private:
  void stop();
  void work();
  void take_pieces();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  int32_t sleeping_ = 0;  // number of sleeping workers, guarded by mutex_

  // The current range. The function `run` writes these fields before `left_`, and only a thread that has taken a piece
  // reads them.
  Task task_ = nullptr;
  const void* body_ = nullptr;
  int64_t n_ = 0;
  int64_t piece_ = 1;  // items per piece; the last piece may have fewer
  int64_t pieces_ = 0;
  std::atomic<int32_t> left_{0};  // pieces that no thread has taken
  std::atomic<int32_t> open_{0};  // pieces that are not finished
};

}  // namespace ingrain
