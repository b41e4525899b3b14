// Runs every collective in place, staged and with NCCL, both directly and in a graph. Each rank is a thread with an
// emulated device. The program is built with ThreadSanitizer (CMake preset "threads"), which reports unsynchronised
// accesses of two ranks. ThreadSanitizer does not detect races within a rank, because the threads of a kernel are
// fibers of one thread.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "ingrain.h"

namespace {

constexpr int32_t ranks = 3;
std::atomic<int> wrong{0};

void require(ingrain_context* ctx, ingrain_status status) {
  if (status == INGRAIN_OK) return;
  printf("error: %s\n", ingrain_last_error(ctx));
  exit(1);
}

struct Rank {
  ingrain_context* ctx = nullptr;
  int32_t rank = 0;
  bool shared = false;
  int64_t n = 0;
  float *x = nullptr, *y = nullptr, *slice = nullptr, *all = nullptr, *own = nullptr;

  float* allocate(int64_t elements) {
    void* pointer = nullptr;
    const int64_t bytes = elements * static_cast<int64_t>(sizeof(float));
    require(ctx, ingrain_malloc(ctx, &pointer, bytes));
    if (shared) require(ctx, ingrain_communicator_register(ctx, pointer, bytes));
    return static_cast<float*>(pointer);
  }

  void fill(float* device, int64_t elements, float value) {
    const std::vector<float> host(static_cast<size_t>(elements), value);
    require(ctx, ingrain_copy_to_device(ctx, device, host.data(), elements * static_cast<int64_t>(sizeof(float))));
    require(ctx, ingrain_synchronize(ctx));
  }

  void expect(const float* device, int64_t elements, float value) {
    std::vector<float> host(static_cast<size_t>(elements));
    require(ctx, ingrain_copy_to_host(ctx, host.data(), device, elements * static_cast<int64_t>(sizeof(float))));
    require(ctx, ingrain_synchronize(ctx));
    for (const float found : host) wrong += found != value;
  }

  void communicate() {
    require(ctx, ingrain_all_reduce(ctx, y, x, INGRAIN_F32, 2, n));
    require(ctx, ingrain_reduce_scatter(ctx, slice, x, INGRAIN_F32, 2, n / ranks));
    require(ctx, ingrain_all_gather(ctx, all, own, 64 * sizeof(float)));
    require(ctx, ingrain_broadcast(ctx, own, own, 64 * sizeof(float), 1));
  }

  void run() {
    x = allocate(2 * n), y = allocate(n), slice = allocate(n / ranks);
    all = allocate(64 * ranks), own = allocate(64);
    communicate();  // the first call connects the ranks; a capture does not allow this
    ingrain_graph* graph = nullptr;
    require(ctx, ingrain_graph_begin(ctx));
    communicate();
    require(ctx, ingrain_graph_end(ctx, &graph));
    for (int i = 0; i < 3; ++i) {
      fill(x, 2 * n, static_cast<float>(rank + i));
      fill(own, 64, static_cast<float>(rank - i));
      if (i % 2) require(ctx, ingrain_graph_launch(ctx, graph));
      else communicate();
      const float sum = static_cast<float>(2 * (ranks * (ranks - 1) / 2 + ranks * i));
      expect(y, n, sum);
      expect(slice, n / ranks, sum);
      for (int32_t r = 0; r < ranks; ++r) expect(all + 64 * r, 64, static_cast<float>(r - i));
      expect(own, 64, static_cast<float>(1 - i));
    }
    require(ctx, ingrain_graph_destroy(ctx, graph));
    for (float* pointer : {x, y, all, own}) require(ctx, ingrain_free(ctx, pointer));
  }
};

void run(const char* order, bool shared, int64_t n, bool destroyed) {
  ingrain_communicator* communicator = nullptr;
  ingrain_communicator_create(&communicator, ranks);
  std::vector<std::thread> threads;
  for (int32_t r = 0; r < ranks; ++r)
    threads.emplace_back([=] {
      Rank rank{.rank = r, .shared = shared, .n = n};
      char error[512];
      if (ingrain_context_create(&rank.ctx, r, 1, order, error, sizeof error)) printf("%s\n", error), exit(1);
      require(rank.ctx, ingrain_communicator_join(rank.ctx, communicator, r));
      rank.run();
      if (destroyed) {  // rank 0 makes no call; the other ranks wait in a kernel until the communicator is destroyed
        if (r == 0) ingrain_communicator_destroy(communicator);
        else if (ingrain_broadcast(rank.ctx, rank.slice, rank.slice, 256, 0) == INGRAIN_OK)
          wrong += ingrain_synchronize(rank.ctx) == INGRAIN_OK;
      }
      ingrain_context_destroy(rank.ctx);
    });
  for (std::thread& thread : threads) thread.join();
  if (!destroyed) ingrain_communicator_destroy(communicator);
}

}  // namespace

int main() {
  for (const char* order : {"ascending", "descending"}) {
    run(order, true, 3 * 512, false);      // one shot
    run(order, true, 3 * 12'000, false);   // two shots
    run(order, false, 3 * 12'000, false);  // staged
  }
  run("ascending", true, 3 * 60'000, false);  // NCCL
  run("ascending", false, 3 * 512, true);
  printf("%d wrong elements\n", wrong.load());
  return wrong > 0;
}
