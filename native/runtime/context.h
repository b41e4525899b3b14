// The state of a CPU context between calls: instruction set, thread pool, workspace, last error, and rank in a
// communicator.
#pragma once
#include "meeting.h"
#include "ingrain.h"
#include "thread_pool.h"

#include <cstdlib>
#include <memory>
#include <string>

namespace ingrain {
enum class Isa : int32_t { avx2, avx512, avx512_bf16, amx };  // each includes all previous ones
const char* isa_name(Isa isa);
}  // namespace ingrain

struct ingrain_context {
  ingrain::Isa isa;
  ingrain::ThreadPool pool;
  unsigned char* workspace = nullptr;
  int64_t workspace_bytes = 0;
  std::string error;
  bool tracing = false;
  std::string trace;  // lines recorded while tracing
  std::shared_ptr<ingrain::Meeting> meeting;  // null with a single rank
  int32_t rank = 0;

  ingrain_context(ingrain::Isa isa, int32_t threads) : isa(isa), pool(threads) {}
  ~ingrain_context() { free(workspace); }
  ingrain_context(const ingrain_context&) = delete;
  ingrain_context& operator=(const ingrain_context&) = delete;

  // Adds the op's name and the context's instruction set to the trace.
  void trace_op(const char* op);

  // Records one line as the last error and returns `status`. Example: return ctx->fail(INGRAIN_INVALID_ARGUMENT, "...",
  // ...);
  ingrain_status fail(ingrain_status status, const char* format, ...) __attribute__((format(printf, 3, 4)));
};

// Runs body(begin, end) over [0, n) in pieces of about `grain` items or more, on the context's threads and on the
// calling thread. Any thread may get any piece, so the result of `body` must not depend on the thread. If there is only
// one piece, the calling thread runs it.
template <class Body>
void parallel_for(ingrain_context* ctx, int64_t n, int64_t grain, const Body& body) {
  ctx->pool.run(
      n, grain, [](const void* b, int64_t begin, int64_t end) { (*static_cast<const Body*>(b))(begin, end); }, &body);
}
