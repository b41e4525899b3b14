// The threads of one block as fibers of the calling host thread. A fiber runs until it waits at a barrier, then the next one in
// order goes on; when the last one arrives, everybody who waited is ready. Blocks run one after another.
#include <cuda_runtime.h>

#include <sys/mman.h>

#include <cstdio>
#include <memory>
#include <vector>

extern "C" void simt_switch(void** save, void* load);
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
  ret
)");

namespace simt {
namespace {

constexpr size_t stack_bytes = 256 << 10;
constexpr size_t max_threads = 1024, max_shared = 227 << 10;

struct Copy { void* shared; const void* global; size_t bytes, valid; };

// A counter that goes up when a barrier opens: a fiber that saw an older value may go on.
struct Gate {
  uint64_t opened = 0;
  int arrived = 0;
};

}  // namespace

struct Warp {
  Gate gate;                       // of all lanes together
  unsigned alive = 0;
  bool odd = false;                // which of the two full sets of slots the next exchange uses
  alignas(64) char slots[3][32][64];
};

struct Fiber : Thread {
  void* stack_pointer;
  const uint64_t* waits_for = nullptr;
  uint64_t seen = 0;
  unsigned waiting_mask = 0;       // of a barrier of part of the warp
  uint64_t released = 0;
  bool done = false;
  std::vector<std::vector<Copy>> copies{1};
  bool ready() const { return !done && (!waits_for || *waits_for != seen); }
};

struct Block {
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  Gate gate;
  int alive = 0, count = 0, counted = 0;
  bool descending = false, stuck = false;
  void* host_stack = nullptr;
  const std::function<void()>* kernel = nullptr;
};

namespace {

thread_local Fiber* current = nullptr;

// Stacks and shared memory of this host thread, kept from launch to launch.
struct Memory {
  char* stacks = static_cast<char*>(mmap(nullptr, stack_bytes * max_threads, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
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

// Goes on with the next fiber that can; the caller has said what it waits for, or that it is done.
void give_way() {
  Block& block = *current->running;
  Fiber* const from = current;
  const int n = static_cast<int>(block.fibers.size()), step = block.descending ? n - 1 : 1;
  int next = static_cast<int>(from - block.fibers.data());
  for (int i = 0; i < n; ++i) {
    next = (next + step) % n;
    Fiber& fiber = block.fibers[static_cast<size_t>(next)];
    if (!fiber.ready()) continue;
    if (&fiber == from) return;
    current = &fiber;
    simt_switch(&from->stack_pointer, fiber.stack_pointer);
    return;
  }
  block.stuck = block.alive > 0;
  simt_switch(&from->stack_pointer, block.host_stack);
}

void wait_at(const uint64_t& counter, uint64_t seen) {
  current->waits_for = &counter;
  current->seen = seen;
  give_way();
  current->waits_for = nullptr;
}

void open(Gate& gate) {
  gate.arrived = 0;
  ++gate.opened;
}

void open_warp(Warp& warp) {
  warp.odd = !warp.odd;
  open(warp.gate);
}

void open_block(Block& block) {
  block.counted = block.count;
  block.count = 0;
  open(block.gate);
}

// Where a part of a warp stands at one barrier, the last to come lets the others go.
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
  finish(*current);
  give_way();
  __builtin_unreachable();
}

void prepare(Block& block, size_t index, const Thread& place) {
  Fiber& fiber = block.fibers[index];
  static_cast<Thread&>(fiber) = place;
  fiber.done = false;
  fiber.waits_for = nullptr;
  fiber.waiting_mask = 0;
  fiber.copies.assign(1, {});
  char* top = memory().stacks + stack_bytes * (index + 1);
  void** frame = reinterpret_cast<void**>(top - 128);  // 16-byte aligned, as after a call, when run_fiber begins
  frame[6] = reinterpret_cast<void*>(&run_fiber);
  frame[7] = nullptr;
  std::fill(frame, frame + 6, nullptr);
  fiber.stack_pointer = frame;
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
    warp.alive = 0;
  }
  for (size_t i = 0; i < n; ++i) {
    const unsigned t = static_cast<unsigned>(i);
    Warp& warp = block.warps[i / 32];
    warp.alive |= 1u << (i % 32);
    prepare(block, i, {{t % size.x, t / size.x % size.y, t / size.x / size.y}, index, size, grid, memory().shared, &warp, &block, static_cast<int>(i % 32)});
  }
  current = &block.fibers[block.descending ? n - 1 : 0];
  simt_switch(&block.host_stack, current->stack_pointer);
  current = nullptr;
  return !block.stuck;
}

}  // namespace

Thread& self() { return *current; }

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
  Fiber& self = *current;
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

const char* exchange(unsigned mask, const void* value, size_t bytes) {
  Fiber& self = *current;
  Warp& warp = *self.warp;
  if ((mask & warp.alive) != warp.alive) {  // part of a warp: its own slots, which nobody may fill again before all have read them
    static thread_local char copies[max_threads][32][64];
    char(&copy)[32][64] = copies[&self - self.running->fibers.data()];
    memcpy(warp.slots[2][self.lane], value, bytes);
    sync_warp(mask);
    memcpy(copy, warp.slots[2], sizeof copy);
    sync_warp(mask);
    return &copy[0][0];
  }
  // All lanes: one barrier is enough, because nobody can come back to this set before everybody has passed the next barrier.
  auto& slots = warp.slots[warp.odd];
  memcpy(slots[self.lane], value, bytes);
  const uint64_t seen = warp.gate.opened;
  if (++warp.gate.arrived == __builtin_popcount(warp.alive)) open_warp(warp);
  else wait_at(warp.gate.opened, seen);
  return &slots[0][0];
}

void copy_async(void* shared, const void* global, size_t bytes, size_t valid) { current->copies.back().push_back({shared, global, bytes, valid}); }
void copy_commit() { current->copies.emplace_back(); }
void copy_wait(int groups) {
  auto& copies = current->copies;  // the last one is still open
  while (static_cast<int>(copies.size()) - 1 > groups) {
    for (const Copy& copy : copies.front()) {
      memcpy(copy.shared, copy.global, copy.valid);
      memset(static_cast<char*>(copy.shared) + copy.valid, 0, copy.bytes - copy.valid);
    }
    copies.erase(copies.begin());
  }
}

cudaError_t check_launch(dim3 grid, dim3 block, size_t shared) {
  const uint64_t threads = static_cast<uint64_t>(block.x) * block.y * block.z;
  const bool fits = threads >= 1 && threads <= max_threads && grid.x >= 1 && grid.x <= 0x7fffffffu && grid.y >= 1 && grid.y <= 65535 &&
                    grid.z >= 1 && grid.z <= 65535 && block.z <= 64 && shared <= max_shared;
  return fits ? cudaSuccess : cudaErrorInvalidConfiguration;
}

// True where every block came to its end; false where the threads of one wait for each other.
bool run_blocks(bool descending, dim3 grid, dim3 size, size_t shared, const std::function<void()>& kernel) {
  const size_t threads = static_cast<size_t>(size.x) * size.y * size.z;
  Block block;
  block.fibers.resize(threads);
  block.warps.resize((threads + 31) / 32);
  block.descending = descending;
  block.kernel = &kernel;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x)
        if (!run_block(block, {x, y, z}, grid, size, shared)) return false;
  return true;
}

}  // namespace simt
