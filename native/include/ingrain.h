// ingrain.h declares every operation of the engine once. A backend is a shared library that exports these symbols.
//
// Calls      Most functions return an ingrain_status; ingrain_last_error gives the text of a context's last failure. An
//            op is enqueued on the stream of its context. The call may return before the op has run;
//            ingrain_synchronize waits until all enqueued ops have run. An op never allocates, synchronises, prints or
//            keeps state. All state that outlives a call is in the context.
// Arguments  Order: context, outputs, inputs, dtype, sizes, scalars. Pointers are device pointers unless a comment says
//            "host". Tensors are row-major. A slice is passed as a pointer to its first element. "ld" is the distance
//            between the starts of consecutive rows, in elements.
// Gradients  dx is the gradient of x. An op adds to the gradient of a parameter and overwrites that of an activation,
//            unless its comment says otherwise.
// Letters    B batch, T tokens, S sequences, M rows, L layers, H query heads, K key-value heads, E head_dim, D hidden,
//            F intermediate, V vocabulary, R LoRA rank, G adapter slots, N output features, C input features.
// Null       A pointer is required unless its comment says "or null".
#ifndef INGRAIN_H
#define INGRAIN_H
#include <stdint.h>

#define INGRAIN_API __attribute__((visibility("default")))
#define INGRAIN_ABI_VERSION 3

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t ingrain_status;
enum { INGRAIN_OK = 0, INGRAIN_INVALID_ARGUMENT = 1, INGRAIN_OUT_OF_MEMORY = 2, INGRAIN_UNSUPPORTED = 3,
       INGRAIN_DEVICE_ERROR = 4 };
// dtype. I32 and I64 are for indices.
enum { INGRAIN_F32 = 0, INGRAIN_BF16 = 1, INGRAIN_F16 = 2, INGRAIN_I32 = 3, INGRAIN_I64 = 4,
       INGRAIN_F8E4M3 = 5,  // for weights and caches only (OCP 8-bit, arXiv:2209.05433); GPUs only
       INGRAIN_INT8 = 6, INGRAIN_INT4 = 7 };  // for weights only; see ingrain_weight
enum { INGRAIN_ROW_MAJOR = 0, INGRAIN_PACKED = 1 };                            // layout of a weight

typedef struct ingrain_context ingrain_context;
typedef struct ingrain_event ingrain_event;
typedef struct ingrain_graph ingrain_graph;
typedef struct ingrain_communicator ingrain_communicator;

// A weight W (rows, columns) of y = x·Wᵀ. Rows are output features N, columns are input features C.
// In an INT8 or INT4 weight, `group` adjacent columns of a row (the last group may have fewer) share a scale. INT8: w =
// q·scale, q in [-127, 127]. INT4: w = (q - zero)·scale, q in [0, 15]; zero is 8 if zeros is 0. All parts are in data.
// In the ROW_MAJOR layout, each part begins at a multiple of 64 bytes; n = ceil(C / group): values (N, C) int8, or for
// INT4 (N, ceil(C / 2)) bytes with column 2i in the low half of byte i; scales (N, n) f16; zero points (N, n) uint8.
typedef struct ingrain_weight {
  void* data;  // written by pack or pack_quantized; ingrain_weight_bytes long, 64-byte aligned
  float* scales;  // F8E4M3: (rows) f32, written by pack; an element is data times the scale of its row. Else null
  int32_t dtype;      // element type: F32, BF16, F8E4M3, INT8 or INT4
  int32_t layout;  // INGRAIN_ROW_MAJOR, or INGRAIN_PACKED: the backend's own layout, known only to its ops
  int64_t rows;
  int64_t columns;
  // Columns per partial sum: for a row-parallel weight, an eighth of the unsharded weight's columns. 0: one sum
  int64_t chunk;
  int32_t group;  // INT8, INT4: columns per scale, 32, 64 or 128; divides chunk. Else 0
  int32_t zeros;  // INT4: 1 if each group has a zero point, else 0
} ingrain_weight;

// One ragged step: T tokens of S sequences; the tokens of a sequence are consecutive rows.
typedef struct ingrain_batch {
  const int32_t* sequence_offsets;  // (S + 1) first row of each sequence; the last entry is T
  const int32_t* positions;         // (T) absolute position of each token in its sequence
  // (S, max_blocks) or null: entry j of a sequence is the cache block of positions [j·block_size, (j+1)·block_size)
  const int32_t* block_tables;
  // (S) group number of each sequence. Sequences of a group are adjacent and share their first prefix_blocks blocks
  const int32_t* prefix_groups;
  const int32_t* prefix_blocks;  // (S) number of leading blocks that the group of each sequence shares; may be 0
  const int32_t* adapter_slots;  // (T) adapter of each row, or -1 for none; null: no row has an adapter
  int64_t tokens;                   // T
  int64_t sequences;                // S
  int64_t max_blocks;
  int64_t block_size;  // tokens per cache block; a multiple of 16
  int32_t* plan;  // (9·T + 262152) scratch that attention_paged_forward keeps from layer to layer, or null
  int64_t planned;  // nonzero if a call in this context with the same batch, dtypes and sizes has written plan
} ingrain_batch;

// ---- contexts -------------------------------------------------------------------------------------------------------
// isa (host): "auto" or, for the CPU, "avx2", "avx512", "avx512_bf16" or "amx". For the simt library, isa is the order
// in which it runs the threads of a block: "ascending" (also if "auto") or "descending". threads: 0 uses all cores;
// GPUs ignore threads. If the call fails, it creates no context and writes one line to error (host, error_bytes long).
INGRAIN_API ingrain_status ingrain_context_create(ingrain_context** context, int32_t device, int32_t threads,
                                                  const char* isa, char* error, int64_t error_bytes);
INGRAIN_API ingrain_status ingrain_context_destroy(ingrain_context* ctx);
INGRAIN_API const char* ingrain_last_error(ingrain_context* ctx);  // host, valid until the next failing call
// Writes one JSON object (host): backend, name, isa, threads, memory_bytes and graphs (true if the device supports
// capture). On a GPU, the object also has driver_bytes (memory for the driver itself) and fallbacks: the number of
// calls that slower fallback kernels computed, by op, sizes and reason. A buffer of 16 KiB is enough.
INGRAIN_API ingrain_status ingrain_context_describe(ingrain_context* ctx, char* json, int64_t json_bytes);
INGRAIN_API ingrain_status ingrain_device_count(int32_t* count);
// *can (host) = 1 if kernels on `device` can access the memory of `peer`, which may be `device`, directly; else 0.
INGRAIN_API ingrain_status ingrain_can_access_peer(int32_t* can, int32_t device, int32_t peer);
INGRAIN_API int32_t ingrain_abi_version(void);
INGRAIN_API ingrain_status ingrain_native_stream(ingrain_context* ctx, void** stream);  // cudaStream_t; null on the CPU
// With deterministic = 1, algorithm and tile are fixed for each weight, so the result of a row does not depend on the
// other rows. On the CPU, a row's result never depends on other rows, so the CPU ignores the value.
INGRAIN_API ingrain_status ingrain_set_deterministic(ingrain_context* ctx, int32_t deterministic);
// The next two functions are for kernels of other libraries. set_error sets the text (host) that ingrain_last_error
// returns. parallel_for divides [0, n) into pieces of at least grain items and calls body once per piece, on the
// context's threads; any thread may get any piece. On GPUs parallel_for returns UNSUPPORTED.
INGRAIN_API ingrain_status ingrain_set_error(ingrain_context* ctx, const char* text);
INGRAIN_API ingrain_status ingrain_parallel_for(ingrain_context* ctx, int64_t n, int64_t grain,
                                                void (*body)(void* state, int64_t begin, int64_t end), void* state);

// While the trace is on, a context records a line for each kernel launch (name, grid, block, shared memory) and for
// each library product (name and sizes). The CPU records a line for each op, with the op's instruction set.
// ingrain_trace with on = 1 clears the trace. trace_read writes all recorded lines to text (host), each with a line
// end, and returns INVALID_ARGUMENT if text_bytes is too small. trace_add adds a line. launch() calls trace_add for
// every kernel that it starts, including kernels of other libraries.
INGRAIN_API ingrain_status ingrain_trace(ingrain_context* ctx, int32_t on);
INGRAIN_API int32_t ingrain_tracing(ingrain_context* ctx);
INGRAIN_API ingrain_status ingrain_trace_add(ingrain_context* ctx, const char* line);
INGRAIN_API ingrain_status ingrain_trace_read(ingrain_context* ctx, char* text, int64_t text_bytes);

// ---- memory ---------------------------------------------------------------------------------------------------------
// The memory is 64-byte aligned and not initialised.
INGRAIN_API ingrain_status ingrain_malloc(ingrain_context* ctx, void** pointer, int64_t bytes);
INGRAIN_API ingrain_status ingrain_free(ingrain_context* ctx, void* pointer);
INGRAIN_API ingrain_status ingrain_host_malloc(ingrain_context* ctx, void** pointer, int64_t bytes);  // pinned
INGRAIN_API ingrain_status ingrain_host_free(ingrain_context* ctx, void* pointer);
// Copies are enqueued. Host memory, pinned or not, must stay valid and unchanged until the copy has run.
INGRAIN_API ingrain_status ingrain_copy_to_device(ingrain_context* ctx, void* device, const void* host, int64_t bytes);
INGRAIN_API ingrain_status ingrain_copy_to_host(ingrain_context* ctx, void* host, const void* device, int64_t bytes);
INGRAIN_API ingrain_status ingrain_copy(ingrain_context* ctx, void* destination, const void* source, int64_t bytes);
INGRAIN_API ingrain_status ingrain_fill_zero(ingrain_context* ctx, void* pointer, int64_t bytes);
// The workspace is 256-byte aligned scratch memory, which the ops of a context use one after another. On a GPU, the
// workspace of a new context is large enough for every op except fp8 products. On the CPU, a new context has no
// workspace (null, 0 bytes), and products run more slowly until one is reserved. reserve waits for the stream and then
// enlarges the workspace to at least `bytes`.
INGRAIN_API ingrain_status ingrain_workspace(ingrain_context* ctx, void** pointer, int64_t* bytes);
INGRAIN_API ingrain_status ingrain_workspace_reserve(ingrain_context* ctx, int64_t bytes);
INGRAIN_API ingrain_status ingrain_memory_info(ingrain_context* ctx, int64_t* free_bytes, int64_t* total_bytes);
INGRAIN_API ingrain_status ingrain_synchronize(ingrain_context* ctx);

// ---- events and graphs ----------------------------------------------------------------------------------------------
INGRAIN_API ingrain_status ingrain_event_create(ingrain_context* ctx, ingrain_event** event);
INGRAIN_API ingrain_status ingrain_event_destroy(ingrain_context* ctx, ingrain_event* event);
INGRAIN_API ingrain_status ingrain_event_record(ingrain_context* ctx, ingrain_event* event);
INGRAIN_API ingrain_status ingrain_event_query(ingrain_context* ctx, ingrain_event* event, int32_t* done);
INGRAIN_API ingrain_status ingrain_event_wait(ingrain_context* ctx, ingrain_event* event);          // the host waits
INGRAIN_API ingrain_status ingrain_event_elapsed(ingrain_context* ctx, float* milliseconds, ingrain_event* start,
                                                 ingrain_event* end);
// Ops between begin and end are recorded in the graph and not run. A backend without graphs (the CPU) runs these ops
// and sets *graph to null. Then the caller cannot launch a graph, and must call the ops again to repeat them.
INGRAIN_API ingrain_status ingrain_graph_begin(ingrain_context* ctx);
INGRAIN_API ingrain_status ingrain_graph_end(ingrain_context* ctx, ingrain_graph** graph);
INGRAIN_API ingrain_status ingrain_graph_launch(ingrain_context* ctx, ingrain_graph* graph);
INGRAIN_API ingrain_status ingrain_graph_destroy(ingrain_context* ctx, ingrain_graph* graph);

// ---- collectives: a rank is a thread with its own context. All ranks of a communicator make the same calls in the
// same order. A context may join several communicators, with the same rank each time; its calls use the one that it
// joined last. If a rank does not arrive in time, makes another call or fails, the calls of the other ranks return
// DEVICE_ERROR (on a GPU: their next calls that wait for the device). The text names op, bytes, rank, device and cause.
INGRAIN_API ingrain_status ingrain_communicator_create(ingrain_communicator** communicator, int32_t ranks);
INGRAIN_API ingrain_status ingrain_communicator_destroy(ingrain_communicator* communicator);
// Sets how long a rank waits for another rank. The default is 60 s on a GPU and one hour on the CPU.
INGRAIN_API ingrain_status ingrain_communicator_set_limit(ingrain_communicator* communicator, float seconds);
INGRAIN_API ingrain_status ingrain_communicator_join(ingrain_context* ctx, ingrain_communicator* communicator,
                                                     int32_t rank);
// A collective call. It makes a buffer from ingrain_malloc accessible to the other ranks of the communicator that this
// context joined last. Later collectives access the buffer directly, without a staging copy; every rank must then pass
// the same part of its buffer. The registration ends when the buffer is freed with ingrain_free. On the CPU, and
// without a communicator, the function does nothing.
INGRAIN_API ingrain_status ingrain_communicator_register(ingrain_context* ctx, void* pointer, int64_t bytes);
// y (n) = the sum of the partials (chunks, n) of all ranks. The order is fixed: ascending ranks, and within a rank
// ascending chunks. NCCL chooses its own order of summation, but deterministic contexts do not use NCCL for sums.
INGRAIN_API ingrain_status ingrain_all_reduce(ingrain_context* ctx, void* y, const float* partials, int32_t dtype,
                                              int64_t chunks, int64_t n);
// y (ranks, n) = x (n) of every rank, copied bytewise.
INGRAIN_API ingrain_status ingrain_all_gather(ingrain_context* ctx, void* y, const void* x, int64_t bytes);
// y (n) = elements [rank·n, (rank + 1)·n) of all_reduce's result for partials (chunks, ranks·n); equal without NCCL.
INGRAIN_API ingrain_status ingrain_reduce_scatter(ingrain_context* ctx, void* y, const float* partials, int32_t dtype,
                                                  int64_t chunks, int64_t n);
// y (n) = x (n) of the rank `root`, copied bytewise; y may be x. The x of other ranks is not read.
INGRAIN_API ingrain_status ingrain_broadcast(ingrain_context* ctx, void* y, const void* x, int64_t bytes, int32_t root);

// ---- weights --------------------------------------------------------------------------------------------------------
INGRAIN_API int64_t ingrain_weight_bytes(int32_t dtype, int32_t layout, int64_t rows, int64_t columns, int32_t group,
                                         int32_t zeros);
// Returns the number of bytes of workspace that the matmul ops use for a weight of this type and size and up to T rows
// of x. With backward = 1 this number includes the transposed copy of an fp8 weight.
INGRAIN_API int64_t ingrain_matmul_workspace_bytes(int32_t weight_dtype, int64_t rows, int64_t columns, int64_t T,
                                                   int32_t backward);
// Converts source (rows, w->columns) to w->dtype, rounding to nearest even, and writes it to rows [row, row + rows) of
// w. The source is row-major with row distance ld; source_dtype is F32, BF16 or F16. INT8 and INT4: scale (below) is
// rounded to f16, at most 65504. Then q = round(w / scale) + zero, clamped to the range of q; if scale is 0, q = zero.
//   INT8: scale = max |w| / 127     INT4: scale = m / -8, where m is the first element with the largest magnitude
//   INT4, zeros: scale = (high - low) / 15, zero = round(-low / scale) in [0, 15]; low, high: min, max of w and 0
INGRAIN_API ingrain_status ingrain_pack(ingrain_context* ctx, const ingrain_weight* w, const void* source,
                                        int32_t source_dtype, int64_t row, int64_t rows, int64_t ld);
// Writes rows [row, row + rows) of an INT8 or INT4 weight from its ROW_MAJOR parts; zeros is null if w->zeros is 0.
INGRAIN_API ingrain_status ingrain_pack_quantized(ingrain_context* ctx, const ingrain_weight* w, const void* values,
                                                  const void* scales, const void* zeros, int64_t row, int64_t rows);
// y (n) = x (n) converted from F32, BF16 or F16 to F32 or BF16.
INGRAIN_API ingrain_status ingrain_convert(ingrain_context* ctx, void* y, const void* x, int32_t y_dtype,
                                           int32_t x_dtype, int64_t n);

// ---- ops: embedding.cc ----------------------------------------------------------------------------------------------
// y[t] = row ids[t] of table (V, D); y (T, D) of dtype, ids (T).
INGRAIN_API ingrain_status ingrain_embedding_forward(ingrain_context* ctx, void* y, const int32_t* ids,
                                                     const ingrain_weight* table, int32_t dtype, int64_t T);
// Adds dy[t] to row ids[t] of dtable (V, D) f32, for t in ascending order; dy (T, D) of dtype.
INGRAIN_API ingrain_status ingrain_embedding_backward(ingrain_context* ctx, float* dtable, const void* dy,
                                                      const int32_t* ids, int32_t dtype, int64_t T, int64_t D);
// ---- gather_rows.cc: y (M, D) = x[rows[m]]; backward: dx (T, D) = 0, then dx[rows[m]] += dy[m]
INGRAIN_API ingrain_status ingrain_gather_rows_forward(ingrain_context* ctx, void* y, const void* x,
                                                       const int32_t* rows, int32_t dtype, int64_t M, int64_t D);
INGRAIN_API ingrain_status ingrain_gather_rows_backward(ingrain_context* ctx, void* dx, const void* dy,
                                                        const int32_t* rows, int32_t dtype, int64_t M, int64_t T,
                                                        int64_t D);
// ---- rms_norm.cc: y, x, h, residual (T, D); w (D) of dtype; rstd (T) or null
INGRAIN_API ingrain_status ingrain_rms_norm_forward(ingrain_context* ctx, void* y, float* rstd, const void* x,
                                                    const void* w, int32_t dtype, int64_t T, int64_t D, float eps);
// h = x + residual; y = rms_norm(h). h may alias x or residual.
INGRAIN_API ingrain_status ingrain_add_rms_norm_forward(ingrain_context* ctx, void* y, void* h, float* rstd,
                                                        const void* x, const void* residual, const void* w,
                                                        int32_t dtype, int64_t T, int64_t D, float eps);
// dx = dresidual + the gradient of x. dresidual (T, D) is null or may alias dx. dw (D) f32 is accumulated, or is null.
INGRAIN_API ingrain_status ingrain_rms_norm_backward(ingrain_context* ctx, void* dx, float* dw, const void* dy,
                                                     const void* dresidual, const void* x, const void* w,
                                                     const float* rstd, int32_t dtype, int64_t T, int64_t D);
// ---- matmul.cc: y (T, N) = beta·y + x (T, C) · Wᵀ. x, dy: dtype; y: y_dtype; dx: dx_dtype. Beta 0: y is not read.
INGRAIN_API ingrain_status ingrain_matmul_forward(ingrain_context* ctx, void* y, const void* x, const ingrain_weight* w,
                                                  int32_t dtype, int32_t y_dtype, int64_t T, float beta);
// partials (C / chunk, T, N) f32: one product per chunk of w, for ingrain_all_reduce. The sum of the partials in chunk
// order equals the result of matmul_forward.
INGRAIN_API ingrain_status ingrain_matmul_partial_forward(ingrain_context* ctx, float* partials, const void* x,
                                                          const ingrain_weight* w, int32_t dtype, int64_t T);
// dx (T, C) = beta·dx + dy (T, N) · W. With beta 0 the op does not read dx.
INGRAIN_API ingrain_status ingrain_matmul_backward(ingrain_context* ctx, void* dx, const void* dy,
                                                   const ingrain_weight* w, int32_t dtype, int32_t dx_dtype, int64_t T,
                                                   float beta);
// dw (N, C) f32 row-major += dyᵀ · x
INGRAIN_API ingrain_status ingrain_matmul_weight_backward(ingrain_context* ctx, float* dw, const void* dy,
                                                          const void* x, int32_t dtype, int64_t T, int64_t N,
                                                          int64_t C);
// ---- matmul_silu_mul.cc: y (T, F) = silu(gate)·up with gate_up = x (T, C) · Wᵀ and W (2F, C). y, gate_up and x have
// type dtype. gate_up (T, 2F) is scratch memory. Its contents are undefined afterwards: a fused op does not write it.
INGRAIN_API ingrain_status ingrain_matmul_silu_mul_forward(ingrain_context* ctx, void* y, void* gate_up, const void* x,
                                                           const ingrain_weight* w, int32_t dtype, int64_t T);
// ---- norm_matmul.cc: rms_norm_forward of h (T, C) with weight norm (C), then matmul_forward or
// matmul_silu_mul_forward, all of dtype. The bits are the same. x (T, C), the result of the norm, is scratch memory.
INGRAIN_API ingrain_status ingrain_norm_matmul_forward(ingrain_context* ctx, void* y, void* x, const void* h,
                                                       const void* norm, const ingrain_weight* w, int32_t dtype,
                                                       int64_t T, float eps);
INGRAIN_API ingrain_status ingrain_norm_matmul_silu_mul_forward(ingrain_context* ctx, void* y, void* gate_up, void* x,
                                                                const void* h, const void* norm,
                                                                const ingrain_weight* w, int32_t dtype, int64_t T,
                                                                float eps);
// ---- add_bias.cc: adds b (N) to each row of y (T, N), both of dtype. backward: db (N) f32 += the rows of dy (T, N)
INGRAIN_API ingrain_status ingrain_add_bias_forward(ingrain_context* ctx, void* y, const void* b, int32_t dtype,
                                                    int64_t T, int64_t N);
INGRAIN_API ingrain_status ingrain_add_bias_backward(ingrain_context* ctx, float* db, const void* dy, int32_t dtype,
                                                     int64_t T, int64_t N);
// ---- qk_norm.cc: y = x (T, (H + 2K)·E), all of dtype. rms_norm is applied to each query head with weight q_norm (E)
// and to each key head with weight k_norm (E); value heads are copied. y may be x. rstd (T, H + K) f32 or null.
INGRAIN_API ingrain_status ingrain_qk_norm_forward(ingrain_context* ctx, void* y, float* rstd, const void* x,
                                                   const void* q_norm, const void* k_norm, int32_t dtype, int64_t T,
                                                   int64_t H, int64_t K, int64_t E, float eps);
// dx (T, (H + 2K)·E): on entry the gradient of y, on return the gradient of x. dq_norm and dk_norm (E) f32 are
// accumulated; both are null or both are not null.
INGRAIN_API ingrain_status ingrain_qk_norm_backward(ingrain_context* ctx, void* dx, float* dq_norm, float* dk_norm,
                                                    const void* x, const void* q_norm, const void* k_norm,
                                                    const float* rstd, int32_t dtype, int64_t T, int64_t H, int64_t K,
                                                    int64_t E);
// ---- rope.cc: rotates the first H + K heads of each row of qkv (T, (H + 2K)·E) in place. Elements i and i + E/2 of a
// head form a pair, as in Hugging Face. A row of table (maximum positions, E) f32 has the cosines in [0, E/2) and the
// sines in [E/2, E). backward rotates by the negative angle.
INGRAIN_API ingrain_status ingrain_rope_forward(ingrain_context* ctx, void* qkv, const float* table,
                                                const int32_t* positions, int32_t dtype, int64_t T, int64_t H,
                                                int64_t K, int64_t E);
INGRAIN_API ingrain_status ingrain_rope_backward(ingrain_context* ctx, void* dqkv, const float* table,
                                                 const int32_t* positions, int32_t dtype, int64_t T, int64_t H,
                                                 int64_t K, int64_t E);
// ---- kv_cache.cc: the paged cache of a layer is an array of blocks. Each backend has its own layout of a block.
INGRAIN_API int64_t ingrain_kv_cache_block_bytes(int32_t cache_dtype, int64_t block_size, int64_t K, int64_t E);
// Stores the key and value heads of each row of qkv (after rope) at its position, by the block table of its sequence.
INGRAIN_API ingrain_status ingrain_kv_cache_write(ingrain_context* ctx, void* cache, const void* qkv,
                                                  const ingrain_batch* batch, int32_t dtype, int32_t cache_dtype,
                                                  int64_t H, int64_t K, int64_t E);
// Copies whole blocks in each of L layers; consecutive layers are layer_bytes apart. pairs (n, 2): block numbers
// (source, destination). The pairs are copied in any order, so no destination may be the source of another pair.
INGRAIN_API ingrain_status ingrain_kv_cache_copy(ingrain_context* ctx, void* cache, const int32_t* pairs, int64_t n,
                                                 int64_t block_bytes, int64_t layer_bytes, int64_t L);
// ---- rope_cache.cc: rope_forward with the positions of the batch, then kv_cache_write. The bits are the same.
INGRAIN_API ingrain_status ingrain_rope_cache_forward(ingrain_context* ctx, void* qkv, void* cache, const float* table,
                                                      const ingrain_batch* batch, int32_t dtype, int32_t cache_dtype,
                                                      int64_t H, int64_t K, int64_t E);
// ---- attention.cc: attention over the paged cache, which must already contain this step's keys and values. y (T,
// H·E); row t attends to positions 0 to positions[t]. The bits of a row do not depend on the rest of the batch, on how
// the prompt was split or on prefix groups.
INGRAIN_API ingrain_status ingrain_attention_paged_forward(ingrain_context* ctx, void* y, const void* qkv,
                                                           const void* cache, const ingrain_batch* batch, int32_t dtype,
                                                           int32_t cache_dtype, int64_t H, int64_t K, int64_t E,
                                                           float scale);
// Attention without a cache, for training: causal within each of S packed sequences (offsets (S + 1)). lse (T, H) f32
// is an output that backward needs. If operands is bf16, the factors of the products may be rounded to bf16.
INGRAIN_API ingrain_status ingrain_attention_forward(ingrain_context* ctx, void* y, float* lse, const void* qkv,
                                                     const int32_t* offsets, int32_t dtype, int32_t operands, int64_t S,
                                                     int64_t H, int64_t K, int64_t E, float scale);
// dqkv (T, (H + 2K)·E) is overwritten; delta (T, H) and sums (T, (H + 2K)·E) f32 are scratch.
INGRAIN_API ingrain_status ingrain_attention_backward(ingrain_context* ctx, void* dqkv, float* delta, float* sums,
                                                      const void* dy, const void* qkv, const void* y, const float* lse,
                                                      const int32_t* offsets, int32_t dtype, int32_t operands,
                                                      int64_t S, int64_t H, int64_t K, int64_t E, float scale);
// ---- silu_mul.cc: y (T, F) = silu(gate)·up. gate is the first F columns of gate_up (T, 2F), up the other F columns.
INGRAIN_API ingrain_status ingrain_silu_mul_forward(ingrain_context* ctx, void* y, const void* gate_up, int32_t dtype,
                                                    int64_t T, int64_t F);
INGRAIN_API ingrain_status ingrain_silu_mul_backward(ingrain_context* ctx, void* dgate_up, const void* dy,
                                                     const void* gate_up, int32_t dtype, int64_t T, int64_t F);
// ---- lora.cc (arXiv:2106.09685): y += scaling·(dropout(x)·Aᵀ)·Bᵀ in two ops. A (G, R, C), B (G, N, R) and
// u = dropout(x)·Aᵀ (T, R) are f32. slots (T): adapter of each row, or -1 for none (u is then 0); null: adapter 0 for
// all rows. x is a rank's share of a matrix with `columns` columns: columns [column, column + C). With one rank,
// column is 0 and columns is C. column and columns must be multiples of 4 if C is a multiple of 8. Element x[t, c] has
// the number e = t·columns + column + c. dropout keeps an element if word e mod 4 of Philox (key seed, counter e div 4)
// is at least dropout·2^32, and multiplies it by 1 / (1 - dropout).
INGRAIN_API ingrain_status ingrain_lora_down_forward(ingrain_context* ctx, float* u, const void* x, const float* A,
                                                     const int32_t* slots, int32_t dtype, int64_t T, int64_t C,
                                                     int64_t R, float dropout, int64_t seed, int64_t column,
                                                     int64_t columns);
// y (T, N) has type dtype and row distance ld; u has row distance ldu; scaling (G) f32.
INGRAIN_API ingrain_status ingrain_lora_up_forward(ingrain_context* ctx, void* y, const float* u, const float* B,
                                                   const float* scaling, const int32_t* slots, int32_t dtype, int64_t T,
                                                   int64_t N, int64_t R, int64_t ld, int64_t ldu);
// For training, with one adapter. du (T, R) is overwritten, dB (N, R) accumulated. dy (T, N) has row distance ld, and u
// and du have ldu.
INGRAIN_API ingrain_status ingrain_lora_up_backward(ingrain_context* ctx, float* du, float* dB, const void* dy,
                                                    const float* u, const float* B, int32_t dtype, int64_t T, int64_t N,
                                                    int64_t R, int64_t ld, int64_t ldu, float scaling);
// Adds the gradient times the dropout mask of forward to dx (T, C), unless dx is null. dA (R, C) is accumulated.
INGRAIN_API ingrain_status ingrain_lora_down_backward(ingrain_context* ctx, void* dx, float* dA, const float* du,
                                                      const void* x, const float* A, int32_t dtype, int64_t T,
                                                      int64_t C, int64_t R, float dropout, int64_t seed,
                                                      int64_t column, int64_t columns);
// ---- cross_entropy.cc: loss (M) = -log softmax(logits (M, V) f32)[targets (M)]; lse (M) or null
INGRAIN_API ingrain_status ingrain_cross_entropy_forward(ingrain_context* ctx, float* loss, float* lse,
                                                         const float* logits, const int32_t* targets, int64_t M,
                                                         int64_t V);
// dlogits (M, V) of dtype = scale·(softmax - one_hot); it may alias logits if dtype is F32.
INGRAIN_API ingrain_status ingrain_cross_entropy_backward(ingrain_context* ctx, void* dlogits, const float* logits,
                                                          const float* lse, const int32_t* targets, int32_t dtype,
                                                          int64_t M, int64_t V, float scale);
// ---- adamw.cc (arXiv:1711.05101), all f32. norm (1) = √Σ x² over x (n), summed in a fixed order
INGRAIN_API ingrain_status ingrain_gradient_norm(ingrain_context* ctx, float* norm, const float* x, int64_t n);
// x *= min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_
INGRAIN_API ingrain_status ingrain_gradient_clip(ingrain_context* ctx, float* x, const float* norm, int64_t n,
                                                 float max_norm);
// p, m, v, g (n): parameters, first and second moments, gradients. The first step has step = 1. The op subtracts
// lr·weight_decay·p from p and then applies the bias-corrected Adam step.
INGRAIN_API ingrain_status ingrain_adamw(ingrain_context* ctx, float* p, float* m, float* v, const float* g, int64_t n,
                                         int64_t step, float lr, float beta1, float beta2, float eps,
                                         float weight_decay);
// ---- bias_logits.cc: adds values[i] to element (rows[i], ids[i]) of logits (M, V), for values (n), all f32. The value
// -inf bans a token. rows (n) in [0, M), ids (n) in [0, V), both i32; no pair (rows[i], ids[i]) may occur twice.
INGRAIN_API ingrain_status ingrain_bias_logits(ingrain_context* ctx, float* logits, const int32_t* rows,
                                               const int32_t* ids, const float* values, int64_t n, int64_t V);
// ---- sample.cc: draws one token from each row of logits (M, V) f32 and writes it to ids (M). It applies temperature
// (M), then top_k (M), then top_p (M). log_probabilities (M) or null: those of the drawn tokens, computed without
// temperature, top_k and top_p. With temperature 0 the op takes the largest logit and, in a tie, the lowest id. top_k 0
// and top_p 1 set no limit. The random number of a row is a Philox4x32-10 value (Salmon et al. 2011) with key seeds (M)
// and counter (positions (M), sequences (M), 0, 0); it depends on nothing else. A row with a NaN or +inf, or without
// any logit above -inf, has no distribution; its id is -1 and its log-probability is NaN.
INGRAIN_API ingrain_status ingrain_sample(ingrain_context* ctx, int32_t* ids, float* log_probabilities,
                                          const float* logits, const float* temperature, const int32_t* top_k,
                                          const float* top_p, const int64_t* seeds, const int32_t* sequences,
                                          const int32_t* positions, int64_t M, int64_t V);
// ---- top_tokens.cc: writes the n most probable tokens of each row of logits (M, V) f32 to ids and log_probabilities
// (M, n), in descending order of probability; tokens with equal logits are in ascending order of their ids.
// 1 <= n <= V. A row without a distribution (see sample) has ids -1 and log-probabilities NaN.
INGRAIN_API ingrain_status ingrain_top_tokens(ingrain_context* ctx, int32_t* ids, float* log_probabilities,
                                              const float* logits, int64_t M, int64_t V, int32_t n);
// ---- select_ids.cc: ids[t] = source[t] < 0 ? given[t] : max(drawn[source[t]], 0). ids (T) are the input tokens of a
// step. Some of them may be tokens that the previous step drew on the device and that the host has not read yet. A
// drawn -1 (no token) becomes token 0. given, source (T); every source is below the number of elements of drawn.
INGRAIN_API ingrain_status ingrain_select_ids(ingrain_context* ctx, int32_t* ids, const int32_t* given,
                                              const int32_t* source, const int32_t* drawn, int64_t T);
// ---- random.cc: y (n) of dtype, normally distributed with mean 0 and standard deviation std, for random weights.
// Element i is computed from the Philox block with key seed and counter i.
INGRAIN_API ingrain_status ingrain_random_normal(ingrain_context* ctx, void* y, int32_t dtype, int64_t n, float std,
                                                 int64_t seed);

#ifdef __cplusplus
}  // extern "C"

// A symbol does not contain its signature. So INGRAIN_EXPORT_OP(rms_norm_forward) exports the signature tag of the op:
// ingrain_signature_rms_norm_forward, a string with one letter for the result and one per parameter. The engine checks
// the tag before the first call of a kernel from another library.
//   i int32_t, l int64_t, f float, p pointer, w const ingrain_weight*, b const ingrain_batch*
namespace ingrain_abi {
template <class T> constexpr char letter = 'p';
template <> inline constexpr char letter<int32_t> = 'i';
template <> inline constexpr char letter<int64_t> = 'l';
template <> inline constexpr char letter<float> = 'f';
template <> inline constexpr char letter<const ingrain_weight*> = 'w';
template <> inline constexpr char letter<const ingrain_batch*> = 'b';
template <class R, class... A> struct text { char value[sizeof...(A) + 2]; };
template <class R, class... A> constexpr text<R, A...> signature(R (*)(A...)) { return {{letter<R>, letter<A>..., 0}}; }
}  // namespace ingrain_abi
#define INGRAIN_EXPORT_OP(op) \
  extern "C" INGRAIN_API constexpr auto ingrain_signature_##op = ingrain_abi::signature(&ingrain_##op);
#endif
#endif
