#include "meeting.h"

#include <chrono>
#include <cstdio>
#include <cstring>

namespace ingrain {

std::string seconds_text(double seconds) {
  char text[32];
  snprintf(text, sizeof text, "%g", seconds);
  return text;
}

std::string text_of(Call call) {
  return call.bytes ? std::string(call.op) + " of " + std::to_string(call.bytes) + " bytes" : call.op;
}

Meeting::Meeting(int32_t ranks, double limit)
    : published_(static_cast<size_t>(ranks)), calls_(static_cast<size_t>(ranks), Call{"the first collective", 0}),
      devices_(static_cast<size_t>(ranks)), here_(static_cast<size_t>(ranks)), limit_(limit) {}

double Meeting::limit() {
  std::lock_guard lock(mutex_);
  return limit_;
}

void Meeting::set_limit(double seconds) {
  std::lock_guard lock(mutex_);
  limit_ = seconds;
  all_here_.notify_all();
}

void Meeting::set_device(int32_t rank, const std::string& device) {
  std::lock_guard lock(mutex_);
  devices_[static_cast<size_t>(rank)] = device;
}

std::string Meeting::name(int32_t rank) {
  std::lock_guard lock(mutex_);
  return name_of(rank);
}

std::string Meeting::name_of(int32_t rank) const {
  const std::string& device = devices_[static_cast<size_t>(rank)];
  return "rank " + std::to_string(rank) + (device.empty() ? ", which never joined" : " on " + device);
}

std::string Meeting::who(int32_t rank, Call call) const { return name_of(rank) + ": " + text_of(call); }

// Returns a message that names the ranks that have not arrived in this round.
std::string Meeting::late(int32_t rank) const {
  std::string names;
  for (int32_t r = 0; r < ranks(); ++r)
    if (!here_[static_cast<size_t>(r)]) names += (names.empty() ? "" : ", ") + name_of(r);
  return who(rank, calls_[static_cast<size_t>(rank)]) + ": " + names + " did not come within " +
         seconds_text(limit_) + " s";
}

// Returns a message that names the first rank whose call differs from the call of rank 0, or "" if all calls are the
// same.
std::string Meeting::difference() const {
  for (int32_t r = 1; r < ranks(); ++r) {
    const Call &first = calls_[0], &other = calls_[static_cast<size_t>(r)];
    if (first.bytes != other.bytes || strcmp(first.op, other.op) != 0)
      return who(0, first) + ": " + who(r, other) + ", expected the same call of every rank";
  }
  return {};
}

bool Meeting::wait(std::unique_lock<std::mutex>& lock, int32_t rank) {
  if (ended_) return false;
  here_[static_cast<size_t>(rank)] = true;
  if (++arrived_ == ranks()) {
    if (const std::string different = difference(); !different.empty()) return end_with(different), false;
    here_.assign(here_.size(), false);
    arrived_ = 0;
    ++round_;
    all_here_.notify_all();
    return true;
  }
  const uint64_t round = round_;
  const auto begin = std::chrono::steady_clock::now();
  while (round_ == round && !ended_) {
    const auto until = begin + std::chrono::duration<double>(limit_);  // limit_ may change while this rank waits
    if (all_here_.wait_until(lock, until) == std::cv_status::timeout && round_ == round && !ended_)
      end_with(late(rank));
  }
  return round_ != round;
}

bool Meeting::publish(int32_t rank, const void* address, Call call) {
  std::unique_lock lock(mutex_);
  published_[static_cast<size_t>(rank)] = address;
  calls_[static_cast<size_t>(rank)] = call;
  return wait(lock, rank);
}

bool Meeting::release(int32_t rank) {
  std::unique_lock lock(mutex_);
  return wait(lock, rank);
}

void Meeting::end_with(const std::string& cause) {
  if (!ended_) cause_ = cause;
  ended_ = true;
  all_here_.notify_all();
}

void Meeting::end(const std::string& cause) {
  std::lock_guard lock(mutex_);
  end_with(cause);
}

std::string Meeting::failure(int32_t rank) { return failure(rank, calls_[static_cast<size_t>(rank)]); }

std::string Meeting::failure(int32_t rank, Call call) {
  std::lock_guard lock(mutex_);
  const std::string own = who(rank, call);
  if (cause_.empty()) return own + ": the communicator was destroyed, another rank may have failed";
  return cause_.starts_with(name_of(rank)) ? cause_ : own + " was ended: " + cause_;
}

}  // namespace ingrain
