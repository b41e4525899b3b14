// A barrier for ranks that are threads of one process. At the barrier, each rank publishes an address that the other
// ranks can read. A Meeting also stores why it ended, so that every rank can report this cause.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace ingrain {

// The call that a rank is about to make. Ranks that meet must make the same call. bytes: size of the input, 0 if the
// call has none.
struct Call {
  const char* op;
  int64_t bytes;
};

class Meeting {
 public:
  // limit: number of seconds that a rank waits for another rank.
  Meeting(int32_t ranks, double limit);

  int32_t ranks() const { return static_cast<int32_t>(published_.size()); }
  double limit();
  void set_limit(double seconds);
  // Sets the name of a rank's device for messages, for example "cpu" or "cuda:1".
  void set_device(int32_t rank, const std::string& device);
  // Returns, for example, "rank 1 on cuda:1".
  std::string name(int32_t rank);
  // Publishes an address and waits until every rank has published its own address. Returns false if the meeting has
  // ended, for one of three reasons: end() was called, a rank did not arrive within the limit, or a rank made a
  // different call.
  bool publish(int32_t rank, const void* address, Call call);
  const void* of(int32_t rank) const { return published_[static_cast<size_t>(rank)]; }
  // Waits until no rank reads the published memory any more. Returns false if the meeting has ended, for the same
  // reasons as publish.
  bool release(int32_t rank);
  // Ends the meeting: all current and later waits return false at once. Only the first cause is kept. An empty cause
  // means that the communicator was destroyed.
  void end(const std::string& cause);
  // Returns one line that explains why this rank's last wait returned false.
  std::string failure(int32_t rank);
  // Returns the same line for a call that this rank has not passed to publish().
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
  std::vector<bool> here_;  // the ranks that have arrived in this round
  int32_t arrived_ = 0;
  uint64_t round_ = 0;
  double limit_;
  bool ended_ = false;
  std::string cause_;
};

// Returns a number of seconds as text for a message, for example "0.5" or "60".
std::string seconds_text(double seconds);
// Returns, for example, "all_reduce of 4096 bytes".
std::string text_of(Call call);

}  // namespace ingrain
