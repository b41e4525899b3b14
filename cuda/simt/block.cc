// Runs the threads of a block as fibers of the calling host thread. A fiber runs until it waits at a barrier; then the
// next fiber in order continues. When the last fiber arrives at the barrier, all waiting fibers become runnable.
// Blocks run one after another until one performs an atomic operation on global memory. From then on a second host
// thread runs further blocks, and the two host threads switch at atomic operations.
#include <sched.h>
#include <sys/mman.h>

#include <condition_variable>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "device.h"

extern "C" void simt_switch(void** save, void* load);
#ifdef __SANITIZE_THREAD__
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}
#endif
asm(R"(
.text
.globl simt_switch
.hidden simt_switch
.type simt_switch, @function
simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rdx
  jmp *%rdx
)");

namespace simt {
namespace {

constexpr size_t stack_bytes = 256 << 10;
constexpr size_t max_threads = 1024, max_shared = 227 << 10;

struct Copy { void* shared; const void* global; size_t bytes, valid; };

// Counts how many times a barrier has opened. A fiber waits until this count exceeds the count at the fiber's arrival.
struct Gate {
  uint64_t opened = 0;
  int arrived = 0;
};

}  // namespace

struct Warp {
  Gate gate;  // the barrier of the whole warp
  unsigned alive = 0;
  bool odd = false;  // index of the set of slots that the next exchange uses
  Combine combine = nullptr;  // the function of the current exchange
  alignas(64) char slots[3][33][64];
};

// Tells ThreadSanitizer that the host thread switches to another fiber. Without this call, ThreadSanitizer would
// confuse the stacks of the fibers.
inline void announce_switch([[maybe_unused]] void* fiber) {
#ifdef __SANITIZE_THREAD__
  __tsan_switch_to_fiber(fiber, 0);
#endif
}

struct Fiber : Thread {
  void* sanitizer = nullptr;  // ThreadSanitizer's fiber
  void* stack_pointer;
  const uint64_t* waits_for = nullptr;
  uint64_t seen = 0;
  unsigned waiting_mask = 0;  // mask of the partial-warp barrier at which this lane waits
  uint64_t released = 0;
  bool done = false;
  char others[33][64];  // values that the lanes of a part of the warp exchange
  std::vector<std::vector<Copy>> copies{1};
  bool ready() const { return !done && (!waits_for || *waits_for != seen); }
};

class Grid;

struct Block {
  Grid* grid = nullptr;
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  Gate gate;
  int alive = 0, count = 0, counted = 0;
  bool descending = false, stuck = false, faulted = false;
  void *host_stack = nullptr, *host_sanitizer = nullptr;
  const std::function<void()>* kernel = nullptr;
};

__thread Thread* current = nullptr;

namespace {

Fiber& running() { return *static_cast<Fiber*>(current); }

// Stacks and shared memory of this host thread, reused by later launches.
struct Memory {
  char* stacks = static_cast<char*>(mmap(nullptr, stack_bytes* max_threads, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  char* shared = static_cast<char*>(aligned_alloc(1024, max_shared + 1024));
  ~Memory() {
    munmap(stacks, stack_bytes * max_threads);
    free(shared);
  }
};
Memory& memory() {
  static thread_local Memory memory;
  return memory;
}

bool is_shared(const void* p) {
  const char* const shared = memory().shared;
  return p >= shared && p < shared + max_shared + 1024;
}

// Switches to the next runnable fiber. Before the call, the current fiber records the barrier at which it waits, or
// that it has finished.
void give_way() {
  Block& block = *current->running;
  Fiber* const from = &running();
  Fiber *const first = block.fibers.data(), *const last = first + block.fibers.size() - 1;
  Fiber* next = from;
  do {
    if (block.descending) next = next == first ? last : next - 1;
    else next = next == last ? first : next + 1;
    if (!next->ready()) continue;
    if (next == from) return;
    current = next;
    announce_switch(next->sanitizer);
    simt_switch(&from->stack_pointer, next->stack_pointer);
    return;
  } while (next != from);
  block.stuck = block.alive > 0;
  announce_switch(block.host_sanitizer);
  simt_switch(&from->stack_pointer, block.host_stack);
}

void wait_at(const uint64_t& counter, uint64_t seen) {
  Fiber& self = running();
  self.waits_for = &counter;
  self.seen = seen;
  give_way();
  self.waits_for = nullptr;
}

void open(Gate& gate) {
  gate.arrived = 0;
  ++gate.opened;
}

void open_warp(Warp& warp) {
  if (const Combine combine = std::exchange(warp.combine, nullptr)) combine(warp.slots[warp.odd][0], warp.alive);
  warp.odd = !warp.odd;
  open(warp.gate);
}

void open_block(Block& block) {
  block.counted = block.count;
  block.count = 0;
  open(block.gate);
}

// A barrier for a part of a warp: the last lane to arrive releases the others.
bool open_part(Fiber& self, unsigned mask) {
  Fiber* lane0 = &self - self.lane;
  for (int l = 0; l < 32; ++l)
    if ((mask & self.warp->alive) >> l & 1 && lane0[l].waiting_mask != mask) return false;
  for (int l = 0; l < 32; ++l)
    if ((mask & self.warp->alive) >> l & 1) {
      lane0[l].waiting_mask = 0;
      ++lane0[l].released;
    }
  return true;
}

void finish(Fiber& self) {
  Block& block = *self.running;
  self.done = true;
  self.warp->alive &= ~(1u << self.lane);
  --block.alive;
  if (block.alive > 0 && block.gate.arrived == block.alive) open_block(block);
  if (self.warp->alive && self.warp->gate.arrived == __builtin_popcount(self.warp->alive)) open_warp(*self.warp);
}

void run_fiber() {
  (*current->running->kernel)();
  finish(running());
  give_way();
  __builtin_unreachable();
}

void prepare(Block& block, size_t index, const Thread& place) {
  Fiber& fiber = block.fibers[index];
  static_cast<Thread&>(fiber) = place;
  fiber.done = false;
  fiber.waits_for = nullptr;
  fiber.waiting_mask = 0;
  if (fiber.copies.size() != 1 || !fiber.copies[0].empty()) fiber.copies.assign(1, {});
  // With the offset of 448 bytes, the stacks do not all map to the same cache sets.
  char* top = memory().stacks + stack_bytes * (index + 1) - index % 64 * 448;
  void** frame = reinterpret_cast<void**>(top - 128);  // when run_fiber begins, the stack is aligned as after a call
  frame[6] = reinterpret_cast<void*>(&run_fiber);
  frame[7] = nullptr;
  std::fill(frame, frame + 6, nullptr);
  fiber.stack_pointer = frame;
}

// ThreadSanitizer supports only a limited number of fibers, so all launches of a host thread use the same ones.
inline void name_fibers([[maybe_unused]] Block& block) {
#ifdef __SANITIZE_THREAD__
  static thread_local std::vector<void*> made;
  block.host_sanitizer = __tsan_get_current_fiber();
  for (size_t i = 0; i < block.fibers.size(); ++i) {
    if (made.size() <= i) made.push_back(__tsan_create_fiber(0));
    block.fibers[i].sanitizer = made[i];
  }
#endif
}

bool run_block(Block& block, uint3 index, dim3 grid, dim3 size, size_t shared) {
  const size_t n = block.fibers.size();
  memset(memory().shared, 0xff, shared);
  block.gate = {};
  block.count = 0;
  block.stuck = false;
  block.alive = static_cast<int>(n);
  for (Warp& warp : block.warps) {
    warp.gate = {};
    warp.combine = nullptr;
    warp.alive = 0;
  }
  for (size_t i = 0; i < n; ++i) {
    const unsigned t = static_cast<unsigned>(i);
    Warp& warp = block.warps[i / 32];
    warp.alive |= 1u << (i % 32);
    prepare(block, i,
            {{t % size.x, t / size.x % size.y, t / size.x / size.y},
             index,
             size,
             grid,
             memory().shared,
             &warp,
             &block,
             static_cast<int>(i % 32)});
  }
  Fiber& first = block.fibers[block.descending ? n - 1 : 0];
  current = &first;
  announce_switch(first.sanitizer);
  simt_switch(&block.host_stack, first.stack_pointer);
  current = nullptr;
  return !block.stuck;
}

}  // namespace

void sync_block() { sync_block_count(false); }

int sync_block_count(bool predicate) {
  Block& block = *current->running;
  block.count += predicate;
  const uint64_t seen = block.gate.opened;
  if (++block.gate.arrived == block.alive) open_block(block);
  else wait_at(block.gate.opened, seen);
  return block.counted;
}

void sync_warp(unsigned mask) {
  Fiber& self = running();
  Warp& warp = *self.warp;
  if ((mask & warp.alive) == warp.alive) {
    const uint64_t seen = warp.gate.opened;
    if (++warp.gate.arrived == __builtin_popcount(warp.alive)) open_warp(warp);
    else wait_at(warp.gate.opened, seen);
    return;
  }
  const uint64_t seen = self.released;
  self.waiting_mask = mask;
  if (!open_part(self, mask)) wait_at(self.released, seen);
}

const char* exchange(unsigned mask, const void* value, size_t bytes, Combine combine) {
  Fiber& self = running();
  Warp& warp = *self.warp;
  // A part of a warp uses the third set of slots. Each lane copies the set before the second barrier, because the next
  // exchange may overwrite it.
  if ((mask & warp.alive) != warp.alive) {
    char(&copy)[33][64] = self.others;
    memcpy(warp.slots[2][self.lane], value, bytes);
    sync_warp(mask);
    memcpy(copy, warp.slots[2], sizeof copy);
    sync_warp(mask);
    if (combine) combine(copy[0], mask & warp.alive);
    return copy[0];
  }
  // For a whole warp one barrier is enough: no lane can use this set of slots again before all lanes have passed the
  // barrier of the next exchange, which uses the other set.
  auto& slots = warp.slots[warp.odd];
  memcpy(slots[self.lane], value, bytes);
  warp.combine = combine;
  const uint64_t seen = warp.gate.opened;
  if (++warp.gate.arrived == __builtin_popcount(warp.alive)) open_warp(warp);
  else wait_at(warp.gate.opened, seen);
  return slots[0];
}

void copy_async(void* shared, const void* global, size_t bytes, size_t valid) {
  running().copies.back().push_back({shared, global, bytes, valid});
}
void copy_commit() { running().copies.emplace_back(); }
void copy_wait(int groups) {
  auto& copies = running().copies;  // the last group is not committed yet
  while (static_cast<int>(copies.size()) - 1 > groups) {
    for (const Copy& copy : copies.front()) {
      memcpy(copy.shared, copy.global, copy.valid);
      memset(static_cast<char*>(copy.shared) + copy.valid, 0, copy.bytes - copy.valid);
    }
    copies.erase(copies.begin());
  }
}

void require_global(const void* p) {
  if (is_shared(p)) current->running->faulted = true;
}

bool may_access(int device, const void* pointer);

cudaError_t check_launch(const void* kernel, dim3 grid, dim3 block, size_t shared) {
  if (shared > static_cast<size_t>(Device::current().shared_limit(kernel))) return remember(cudaErrorInvalidValue);
  const uint64_t threads = static_cast<uint64_t>(block.x) * block.y * block.z;
  const bool fits = threads >= 1 && threads <= max_threads && grid.x >= 1 && grid.x <= 0x7fffffffu && grid.y >= 1 &&
                    grid.y <= 65535 && grid.z >= 1 && grid.z <= 65535 && block.z <= 64;
  return fits ? cudaSuccess : cudaErrorInvalidConfiguration;
}

// The blocks of a launch. One host thread runs them in order. A second host thread starts when a block performs an
// atomic operation while other blocks have not started. Only one of the two host threads runs at a time. Static shared
// memory is thread-local, so each host thread has its own.
class Grid {
 public:
  Grid(Watch& watch, bool descending, dim3 grid, dim3 size, size_t shared, const std::function<void()>& kernel)
      : watch_(watch), descending_(descending), grid_(grid), size_(size), shared_(shared), kernel_(kernel),
        blocks_(static_cast<uint64_t>(grid.x) * grid.y * grid.z) {}

  // Runs all blocks. Returns false if threads of a block wait for each other at different barriers, or if a thread
  // accessed memory that it must not access.
  bool run() {
    run_blocks(0);
    if (helper_.joinable()) helper_.join();
    return sound_;
  }

  // Called at every atomic operation. The function switches to the other host thread at about three quarters of these
  // calls, and in every second group of 32 calls, chosen at random, at about one of 16. So blocks run in turn, and at
  // times a block runs far ahead of the other. If the launch is repeated, the function switches at the same operations.
  void change() {
    constexpr uint64_t mixer = 0x9e3779b97f4a7c15;
    const uint64_t random = ++atomics_ * mixer >> 60;
    const bool ahead = (atomics_ / 32 + 1) * mixer >> 63;
    if (ahead ? random != 0 : random < 4) return;
    if (!helper_.joinable()) {
      if (begun_ == blocks_) return;
      helper_ = std::thread([this] {
        std::unique_lock lock(mutex_);
        turn_.wait(lock, [&] { return runs_ == 1; });
        lock.unlock();
        run_blocks(1);
      });
      present_[1] = true;
    }
    std::unique_lock lock(mutex_);
    const int own = runs_;
    if (!present_[1 - own]) return;
    runs_ = 1 - own;
    turn_.notify_all();
    turn_.wait(lock, [&] { return runs_ == own; });
  }

  void require_access(const void* p) {
    if (!may_access(watch_.device, p)) Device::at(watch_.device).fail(cudaErrorIllegalAddress);
  }

  // A CUDA thread calls this function while it polls for another kernel to make progress. Ends the block if the device
  // has failed.
  void nap() {
    ++watch_.naps;
    Fiber& self = running();
    if (Device::at(watch_.device).error() != cudaSuccess) {
      self.running->stuck = true;
      announce_switch(self.running->host_sanitizer);
      simt_switch(&self.stack_pointer, self.running->host_stack);
    }
    sched_yield();
  }

 private:
  void run_blocks(int host_thread) {
    const size_t threads = static_cast<size_t>(size_.x) * size_.y * size_.z;
    Block block;
    block.grid = this;
    block.fibers.resize(threads);
    block.warps.resize((threads + 31) / 32);
    block.descending = descending_;
    block.kernel = &kernel_;
    name_fibers(block);
    while (sound_ && begun_ < blocks_) {  // blocks start in ascending or descending order, like threads
      const uint64_t i = begun_++, at = descending_ ? blocks_ - 1 - i : i;
      const uint3 index{static_cast<unsigned>(at % grid_.x), static_cast<unsigned>(at / grid_.x % grid_.y),
                        static_cast<unsigned>(at / grid_.x / grid_.y)};
      if (!run_block(block, index, grid_, size_, shared_) || block.faulted) sound_ = false;
    }
    std::lock_guard lock(mutex_);
    present_[host_thread] = false;
    runs_ = 1 - host_thread;
    turn_.notify_all();
  }

  Watch& watch_;
  const bool descending_;
  const dim3 grid_, size_;
  const size_t shared_;
  const std::function<void()>& kernel_;
  const uint64_t blocks_;
  uint64_t begun_ = 0, atomics_ = 0;
  bool sound_ = true, present_[2] = {true, false};
  int runs_ = 0;
  std::mutex mutex_;
  std::condition_variable turn_;
  std::thread helper_;
};

void change_block(const void* address) {
  if (!is_shared(address)) current->running->grid->change();
}

void require_access(const void* p) { current->running->grid->require_access(p); }

bool run_blocks(Watch& watch, bool descending, dim3 grid, dim3 size, size_t shared,
                const std::function<void()>& kernel) {
  return Grid(watch, descending, grid, size, shared, kernel).run();
}

}  // namespace simt

void __nanosleep(unsigned) { simt::current->running->grid->nap(); }
