// device: measures the GPU itself in about 10 seconds. The other measurements use these results as ceilings.
//   read         bandwidth of loads from memory to registers, by the number of bytes in flight per multiprocessor
//   bulk         bandwidth of bulk copies from memory to shared memory, by the number of bytes in flight per
//                multiprocessor; afterwards the kernel reads one word or all bytes
//   copy, l2     bandwidth of a copy from memory to memory (reads and writes count); bandwidth of reads from L2
//   gap          time from one kernel to the next in a CUDA graph, with and without programmatic dependent launch
//   mma          rate of mma.sync with bf16
//   widen        rate of converting E4M3 to 16 bits by cvt, by widen_fp8 of cuda/common/mma.h, by integers on 4 bytes
// Build    benchmarks/gpu/micro/build FOLDER     Run    FOLDER/device     Needs a GPU of capability 9.0, 9 GB free
//
// Bytes are random. The field "right" states whether the xor of all bytes read is correct. The compiler cannot remove a
// read, because the xor depends on it.
#include <cuda_runtime.h>

#include <functional>
#include <stdexcept>

#include "device_kernels.h"
#include "row.h"

namespace {

constexpr size_t buffer_bytes = size_t{4} << 30;

cudaStream_t stream;
cudaDeviceProp card;
unsigned* board;
uint4 *source, *target;

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}
#define CHECK(call) check(call, #call)

struct Times { double us, least_us; };

// Returns the time of one call in microseconds, where `run` enqueues `calls` calls.
Times measure(const std::function<void()>& run, int calls = 1, int repetitions = 11) {
  cudaEvent_t start, end;
  CHECK(cudaEventCreate(&start));
  CHECK(cudaEventCreate(&end));
  std::vector<double> us;
  for (int i = -2; i < repetitions; ++i) {
    CHECK(cudaEventRecord(start, stream));
    run();
    CHECK(cudaGetLastError());
    CHECK(cudaEventRecord(end, stream));
    CHECK(cudaEventSynchronize(end));
    float ms = 0;
    CHECK(cudaEventElapsedTime(&ms, start, end));
    if (i >= 0) us.push_back(ms * 1e3 / calls);
  }
  CHECK(cudaEventDestroy(start));
  CHECK(cudaEventDestroy(end));
  return {median(us), least(us)};
}

unsigned look(int word) {
  unsigned value = 0;
  CHECK(cudaMemcpyAsync(&value, board + word, sizeof value, cudaMemcpyDeviceToHost, stream));
  CHECK(cudaStreamSynchronize(stream));
  return value;
}
void wipe() { CHECK(cudaMemsetAsync(board, 0, words * sizeof *board, stream)); }

unsigned expected = 0;  // xor of the whole buffer

// Outputs a row for a kernel that reads n bytes `rounds` times. `rounds` is odd, so the xor of all rounds equals the
// xor of one round. If the GPU cannot hold `blocks` resident blocks, no row is output.
template <int U> void read_row(const char* test, int blocks, size_t n, int rounds) {
  int fitting = 0;
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&fitting, reads<U>, threads, 0));
  if (fitting < blocks) return;
  const int grid = blocks * card.multiProcessorCount;
  auto run = [&] { reads<U><<<grid, threads, 0, stream>>>(source, n / 16, rounds, board); };
  wipe(), run();
  const unsigned sum = look(checksum);
  const Times t = measure(run);
  Row row(test);
  row.with("rows", 1)
      .with("bytes", n * rounds)
      .with("blocks_per_sm", blocks)
      .with("KiB_in_flight_per_sm", U * threads * 16 * blocks >> 10);
  row.time(t.us, t.least_us, static_cast<double>(n) * rounds, 0).with("checksum", sum);
  if (n == buffer_bytes) row.with("right", sum == expected);
}
void memory_rows() {
  for (int blocks : {1, 2, 4, 8}) {
    read_row<1>("read", blocks, buffer_bytes, 1);
    read_row<2>("read", blocks, buffer_bytes, 1);
    read_row<4>("read", blocks, buffer_bytes, 1);
    read_row<8>("read", blocks, buffer_bytes, 1);
    read_row<16>("read", blocks, buffer_bytes, 1);
  }
  for (size_t mib : {8, 16, 24, 32}) read_row<4>("l2", 2, mib << 20, 41), read_row<4>("l2", 4, mib << 20, 41);
}

void copy_rows() {
  for (const bool own : {false, true}) {
    auto run = [&] {
      if (own) copies<<<8 * card.multiProcessorCount, threads, 0, stream>>>(target, source, buffer_bytes / 16);
      else CHECK(cudaMemcpyAsync(target, source, buffer_bytes, cudaMemcpyDeviceToDevice, stream));
    };
    CHECK(cudaMemsetAsync(target, 0, buffer_bytes, stream));
    const Times t = measure(run);
    wipe();
    reads<4><<<2 * card.multiProcessorCount, threads, 0, stream>>>(target, buffer_bytes / 16, 1, board);
    const bool right = look(checksum) == expected;
    Row(own ? "copy_kernel" : "copy_memcpy")
        .with("rows", 1)
        .with("bytes", 2 * buffer_bytes)
        .time(t.us, t.least_us, 2. * buffer_bytes, 0)
        .with("right", right);
  }
}

template <bool whole> void bulk_row(int piece, int kib, int blocks) {
  const int stages = kib * 1024 / piece / blocks, shared = stages * piece;
  if (stages < 2 || stages > most_stages) return;
  CHECK(cudaFuncSetAttribute(bulk<whole>, cudaFuncAttributeMaxDynamicSharedMemorySize, shared));
  int fitting = 0;
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&fitting, bulk<whole>, threads, shared));
  if (fitting < blocks) return;
  const char* const from = reinterpret_cast<const char*>(source);
  auto run = [&] {
    bulk<whole>
        <<<blocks * card.multiProcessorCount, threads, shared, stream>>>(from, buffer_bytes, piece, stages, board);
  };
  wipe(), run();
  CHECK(cudaGetLastError());
  const unsigned sum = look(checksum);
  if (look(stalls)) throw std::runtime_error("a bulk copy did not arrive within a second");
  const Times t = measure(run);
  Row row(whole ? "bulk_all_read" : "bulk");
  row.with("rows", 1)
      .with("bytes", buffer_bytes)
      .with("piece", piece)
      .with("stages", stages)
      .with("blocks_per_sm", blocks);
  row.with("KiB_in_flight_per_sm", kib).time(t.us, t.least_us, buffer_bytes, 0);
  if (whole) row.with("right", sum == expected);
}
void bulk_rows() {
  for (int kib : {16, 32, 64, 96, 128, 192})
    for (int piece : {4096, 16384})
      for (int blocks : {1, 2}) bulk_row<false>(piece, kib, blocks), bulk_row<true>(piece, kib, blocks);
}

template <bool dependent> void gap_row(int grid) {
  constexpr int kernels = 400;
  cudaGraph_t graph;
  cudaGraphExec_t ready;
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  for (int i = 0; i < kernels; ++i) {
    cudaLaunchAttribute serial{};
    serial.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    serial.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = grid, config.blockDim = threads, config.stream = stream, config.attrs = &serial,
    config.numAttrs = dependent;
    CHECK(cudaLaunchKernelEx(&config, link<dependent>, board + sink));
  }
  CHECK(cudaStreamEndCapture(stream, &graph));
  CHECK(cudaGraphInstantiate(&ready, graph, 0));
  wipe();
  CHECK(cudaGraphLaunch(ready, stream));
  const bool right = look(sink) == kernels;
  const Times t = measure([&] { CHECK(cudaGraphLaunch(ready, stream)); }, kernels, 21);
  Row("gap")
      .with("rows", 1)
      .with("blocks", grid)
      .with("dependent_launch", dependent)
      .time(t.us, t.least_us, 0, 0)
      .with("right", right);
  CHECK(cudaGraphExecDestroy(ready));
  CHECK(cudaGraphDestroy(graph));
}
void gap_rows() {
  for (int grid : {1, card.multiProcessorCount, 2 * card.multiProcessorCount})
    gap_row<false>(grid), gap_row<true>(grid);
}

void mma_rows() {
  constexpr int n = 20000;
  uint64_t* const cycles = reinterpret_cast<uint64_t*>(board + 32);
  for (int warps : {4, 8, 16}) {
    const double flops = double(card.multiProcessorCount) * warps * n * 8 * 4096;  // 2 · 16 · 8 · 16 FLOP each
    const Times t = measure([&] {
      mmas<<<card.multiProcessorCount, warps * 32, 0, stream>>>(reinterpret_cast<float*>(target), n, cycles);
    });
    uint64_t seen[2] = {};
    CHECK(cudaMemcpy(seen, cycles, sizeof seen, cudaMemcpyDeviceToHost));
    const double ghz = static_cast<double>(seen[0]) / static_cast<double>(seen[1]);
    Row("mma").with("rows", 1).with("warps_per_sm", warps).time(t.us, t.least_us, 0, flops).with("GHz", ghz)
        .with("flop_per_clock_per_sm", flops / card.multiProcessorCount / static_cast<double>(seen[0]));
  }
}

template <Way way> void widen_row(const char* name) {
  constexpr int n = 20000;
  const double elements = double(card.multiProcessorCount) * 1024 * n * 32;
  const Times t = measure(
      [&] { widenings<way><<<card.multiProcessorCount, 1024, 0, stream>>>(reinterpret_cast<unsigned*>(target), n); });
  Row("widen")
      .with("rows", 1)
      .with("way", name)
      .time(t.us, t.least_us, 0, 0)
      .with("T_elements_per_s", elements / t.us * 1e-6);
}
void widen_rows() {
  wipe();
  compare_widenings<<<256, 256, 0, stream>>>(board + sink);
  CHECK(cudaGetLastError());
  Row("widen_differences").with("rows", 1).with("codes_that_differ", look(sink));
  widen_row<cvt>("cvt.rn.f16x2.e4m3x2"), widen_row<two_bytes>("widen_fp8 of mma.h"),
      widen_row<four_bytes>("integers on four bytes");
}

void prepare() {
  int device = 0, driver = 0, runtime = 0, clock = 0, memory_clock = 0, bus = 0;
  CHECK(cudaGetDevice(&device));
  CHECK(cudaGetDeviceProperties(&card, device));
  CHECK(cudaDriverGetVersion(&driver));
  CHECK(cudaRuntimeGetVersion(&runtime));
  CHECK(cudaDeviceGetAttribute(&clock, cudaDevAttrClockRate, device));
  CHECK(cudaDeviceGetAttribute(&memory_clock, cudaDevAttrMemoryClockRate, device));
  CHECK(cudaDeviceGetAttribute(&bus, cudaDevAttrGlobalMemoryBusWidth, device));
  Row("facts")
      .with("name", card.name)
      .with("capability", card.major * 10 + card.minor)
      .with("sms", card.multiProcessorCount)
      .with("l2_bytes", card.l2CacheSize)
      .with("shared_per_sm", card.sharedMemPerMultiprocessor)
      .with("shared_per_block", card.sharedMemPerBlockOptin)
      .with("registers_per_sm", card.regsPerMultiprocessor)
      .with("memory_bytes", card.totalGlobalMem)
      .with("clock_kHz", clock)
      .with("memory_clock_kHz", memory_clock)
      .with("memory_bus_bits", bus)
      .with("driver", driver)
      .with("runtime", runtime);
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CHECK(cudaMalloc(&board, words * sizeof *board));
  CHECK(cudaMalloc(&source, buffer_bytes));
  CHECK(cudaMalloc(&target, buffer_bytes));
  if (buffer_bytes < 20 * static_cast<size_t>(card.l2CacheSize))
    throw std::runtime_error("the buffer is not much larger than the L2 cache");
  fill<<<8 * card.multiProcessorCount, threads, 0, stream>>>(source, buffer_bytes / 16);
  CHECK(cudaGetLastError());
  wipe();
  reads<1><<<card.multiProcessorCount, threads, 0, stream>>>(source, buffer_bytes / 16, 1, board);
  CHECK(cudaGetLastError());
  expected = look(checksum);
  Row("buffer").with("bytes", buffer_bytes).with("checksum", expected);
}

// Runs a part. If the part fails, outputs its error as a row, so that the next part can run.
bool part(const char* name, void (*rows)()) {
  try {
    rows();
    return true;
  } catch (const std::exception& failure) {
    Row(name).with("rows", 1).with("error", failure.what());
    cudaGetLastError();
    return false;
  }
}

}  // namespace

int main() {
  end_after(60);
  if (part("facts", prepare))
    part("read", memory_rows), part("copy", copy_rows), part("gap", gap_rows), part("mma", mma_rows),
        part("widen", widen_rows), part("bulk", bulk_rows);
  return finish();
}
