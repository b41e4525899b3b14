// Synchronizes ranks that are threads of one process: a barrier, and one address per rank that the others can read.
// It also keeps why the ranks ended, so that every rank can report the first cause.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace ingrain {

// What a rank is about to do; ranks that meet must do the same. bytes: of its input, 0 where there is none.
struct Call {
  const char* op;
  int64_t bytes;
};

class Meeting {
 public:
  // limit: seconds that a rank waits for another one.
  Meeting(int32_t ranks, double limit);

  int32_t ranks() const { return static_cast<int32_t>(published_.size()); }
  double limit();
  void set_limit(double seconds);
  // Sets the device of a rank for messages: "cpu", "cuda:1".
  void set_device(int32_t rank, const std::string& device);
  // "rank 1 on cuda:1"
  std::string name(int32_t rank);
  // Publishes an address and waits until every rank has published its own. False if the ranks ended: after end(), if
  // one did not come within the limit, or if one made another call.
  bool publish(int32_t rank, const void* address, Call call);
  const void* of(int32_t rank) const { return published_[static_cast<size_t>(rank)]; }
  // Waits until every rank is done with what the others published. False if the ranks ended.
  bool release(int32_t rank);
  // Releases all ranks that wait now or later; their waits return false. Only the first cause is kept; it is empty if
  // the communicator was destroyed.
  void end(const std::string& cause);
  // Why this rank's last wait returned false, one line.
  std::string failure(int32_t rank);
  // The same for a call that this rank did not make here.
  std::string failure(int32_t rank, Call call);

 private:
  bool wait(std::unique_lock<std::mutex>& lock, int32_t rank);
  void end_with(const std::string& cause);
  std::string name_of(int32_t rank) const;
  std::string who(int32_t rank, Call call) const;
  std::string late(int32_t rank) const;
  std::string difference() const;

  std::mutex mutex_;
  std::condition_variable all_here_;
  std::vector<const void*> published_;
  std::vector<Call> calls_;
  std::vector<std::string> devices_;
  std::vector<bool> here_;  // who has arrived in this round
  int32_t arrived_ = 0;
  uint64_t round_ = 0;
  double limit_;
  bool ended_ = false;
  std::string cause_;
};

// "0.5", "60": a limit in seconds, for messages.
std::string seconds_text(double seconds);
// "all_reduce of 4096 bytes"
std::string text_of(Call call);

}  // namespace ingrain
