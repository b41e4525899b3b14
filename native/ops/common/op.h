// Compiles the single source of an op for every instruction set.
//
//   INGRAIN_OP(silu_mul_forward, (ingrain_context* ctx, void* y, ...), (ctx, y, ...)) {
//     ... body ...
//   }
//
// Each op file is compiled in one pass per instruction set. In each pass, the macro defines
// ingrain::<isa>::silu_mul_forward. In the AVX2 pass, it defines two more symbols: the exported function
// ingrain_silu_mul_forward, which calls the version for the instruction set of the context, and the signature tag of
// this function. Everything in an op file or in a header of this folder must be in namespace ingrain::INGRAIN_ISA.
// Otherwise the linker would merge inline functions of different passes, because they have the same name.
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
      case ingrain::Isa::amx: return ingrain::amx::op arguments;                      \
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
  namespace amx { ingrain_status op parameters; }             \
  }                                                           \
  INGRAIN_OP_EXPORT(op, parameters, arguments)                \
  ingrain_status ingrain::INGRAIN_ISA::op parameters
