// How an op is written once and compiled for every instruction set.
//
//   INGRAIN_OP(silu_mul_forward, (ingrain_context* ctx, void* y, ...), (ctx, y, ...)) {
//     ... body ...
//   }
//
// defines ingrain::<isa>::silu_mul_forward in each pass and, in the AVX2 pass, the exported ingrain_silu_mul_forward
// that chooses by the context, with its signature tag. Everything an op file or a header of this folder defines belongs
// in namespace ingrain::INGRAIN_ISA: two passes of one inline function under one name would be merged by the linker.
#pragma once
#include "context.h"
#include "ingrain.h"

#ifdef INGRAIN_ISA_avx2
#define INGRAIN_OP_EXPORT(op, parameters, arguments)                                  \
  extern "C" INGRAIN_API ingrain_status ingrain_##op parameters {                     \
    if (ctx->tracing) [[unlikely]] ctx->trace_op(#op);                                \
    switch (ctx->isa) {                                                               \
      case ingrain::Isa::avx2: return ingrain::avx2::op arguments;                    \
      case ingrain::Isa::avx512: return ingrain::avx512::op arguments;                \
      case ingrain::Isa::avx512_bf16: return ingrain::avx512_bf16::op arguments;      \
    }                                                                                 \
    return INGRAIN_UNSUPPORTED;                                                       \
  }                                                                                   \
  INGRAIN_EXPORT_OP(op)
#else
#define INGRAIN_OP_EXPORT(op, parameters, arguments)
#endif

#define INGRAIN_OP(op, parameters, arguments)                 \
  namespace ingrain {                                         \
  namespace avx2 { ingrain_status op parameters; }            \
  namespace avx512 { ingrain_status op parameters; }          \
  namespace avx512_bf16 { ingrain_status op parameters; }     \
  }                                                           \
  INGRAIN_OP_EXPORT(op, parameters, arguments)                \
  ingrain_status ingrain::INGRAIN_ISA::op parameters
