// Compares the tensor core, its loads and the asynchronous copies with the fragment tables of the PTX ISA. Compares the
// conversions of f16, bf16 and fp8 with the definitions of these formats, for every code and every midpoint.
#include "check.h"
#include "mma.h"

namespace {

// Returns integers that bf16 represents exactly, so that every order of summation gives the same result.
float small(int i, int j, int salt) { return static_cast<float>((i * 7 + j * 13 + salt * 5) % 17 - 8); }

// The tables of mma.m16n8k16 in the ISA: the row and the column of element i of a lane's fragment.
int a_row(int group, int i) { return (i >= 0 && i < 2) || (i >= 4 && i < 6) ? group : group + 8; }
int a_column(int t, int i) { return t * 2 + (i & 1) + (i < 4 ? 0 : 8); }
int b_row(int t, int i) { return t * 2 + (i & 1) + (i < 2 ? 0 : 8); }
int c_row(int group, int i) { return i < 2 ? group : group + 8; }

__global__ void product(float* out) {
  const int lane = static_cast<int>(threadIdx.x), group = lane >> 2, t = lane % 4;
  unsigned a[4], b[2];
  float d[4];
  for (int r = 0; r < 4; ++r)
    a[r] = pack_bf16(small(a_row(group, 2 * r), a_column(t, 2 * r), 1),
                     small(a_row(group, 2 * r + 1), a_column(t, 2 * r + 1), 1));
  for (int r = 0; r < 2; ++r) b[r] = pack_bf16(small(b_row(t, 2 * r), group, 2), small(b_row(t, 2 * r + 1), group, 2));
  for (int i = 0; i < 4; ++i) d[i] = small(c_row(group, i), t * 2 + (i & 1), 3);
  mma(d, a, b);
  mma(d, a, b);  // a second call, because values of the first one must not remain in the slots
  for (int i = 0; i < 4; ++i) out[c_row(group, i) * 8 + t * 2 + (i & 1)] = d[i];
}

// 1 + 16 · 2^-13 · 1.5 · 2^-15 is three quarters of the way from 1 to the next float. Rounding would give the next
// float, but truncation gives 1. The test also checks the corresponding case for -1.
__global__ void remainders(float* out) {
  const unsigned a[4] = {pack_bf16(0x1p-13f, 0x1p-13f), pack_bf16(-0x1p-13f, -0x1p-13f), pack_bf16(0x1p-13f, 0x1p-13f),
                         pack_bf16(-0x1p-13f, -0x1p-13f)};
  const unsigned b[2] = {pack_bf16(1.5f * 0x1p-15f, 1.5f * 0x1p-15f), pack_bf16(1.5f * 0x1p-15f, 1.5f * 0x1p-15f)};
  float d[4] = {1, 1, -1, -1};
  mma(d, a, b);
  if (threadIdx.x == 0) out[0] = d[0], out[1] = d[2];
}

template <bool transposed> __global__ void matrices(unsigned* out) {
  alignas(16) __shared__ uint16_t shared[32][24];  // row stride 48 bytes
  const int lane = static_cast<int>(threadIdx.x);
  for (int j = 0; j < 8; ++j) shared[lane][j] = static_cast<uint16_t>(lane * 8 + j);
  __syncwarp();
  unsigned r[4];
  load_matrices<transposed>(r, shared[lane]);
  for (int i = 0; i < 4; ++i) out[4 * lane + i] = r[i];
}

__global__ void copies(int* out, const int* in) {
  int* shared = dynamic_shared<int>() + 4 * threadIdx.x;
  const int* mine = in + 4 * threadIdx.x;
  out += 6 * threadIdx.x;
  for (int i = 0; i < 4; ++i) shared[i] = -1;
  copy_async16(shared, mine);
  copy_commit();
  out[0] = shared[0];  // not copied yet
  copy_async16(shared + 1024 / 4, mine, false);
  shared[1024 / 4] = -1;
  copy_commit();
  copy_wait<1>();
  out[1] = shared[3];  // the first group has been copied, the second has not
  out[2] = shared[1024 / 4];
  copy_wait<0>();
  out[3] = shared[1024 / 4];         // zeros
  out[4] = shared[1024 / 4 + 3];
  out[5] = shared[0];
}

void tensor_core(bool order, const char* name) {
  const auto got = run<float>(order, product, 1, 32, 128);
  bool right = got.size() == 128;
  for (int i = 0; i < 16 && right; ++i)
    for (int j = 0; j < 8; ++j) {
      float sum = small(i, j, 3);
      for (int k = 0; k < 16; ++k) sum += 2 * small(i, k, 1) * small(k, j, 2);
      right &= got[static_cast<size_t>(i * 8 + j)] == sum;
    }
  check(right, "mma m16n8k16 is the product of the ISA's fragments", name);
  check(run<float>(order, remainders, 1, 32, 2) == std::vector<float>{1, -1},
        "the sums of mma are truncated towards zero", name);

  const auto plain = run<unsigned>(order, matrices<false>, 1, 32, 128),
             turned = run<unsigned>(order, matrices<true>, 1, 32, 128);
  bool plainly = plain.size() == 128, turning = turned.size() == 128;
  for (unsigned lane = 0; lane < 32 && plainly && turning; ++lane)
    for (unsigned m = 0; m < 4; ++m) {
      const unsigned row = lane / 4, column = lane % 4 * 2, first = m * 64 + row * 8 + column;
      plainly &= plain[4 * lane + m] == (first | (first + 1) << 16);
      turning &= turned[4 * lane + m] == ((m * 64 + column * 8 + row) | (m * 64 + (column + 1) * 8 + row) << 16);
    }
  check(plainly, "load_matrices distributes rows like ldmatrix", name);
  check(turning, "load_matrices distributes columns like ldmatrix.trans", name);

  std::vector<int> in(128);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<int>(i);
  const auto copied = run<int>(order, copies, 1, 32, 192, static_cast<const int*>(in.data()));
  bool asynchronous = copied.size() == 192;
  for (int t = 0; t < 32 && asynchronous; ++t) {
    const int expected[] = {-1, 4 * t + 3, -1, 0, 0, 4 * t};
    for (int i = 0; i < 6; ++i) asynchronous &= copied[static_cast<size_t>(6 * t + i)] == expected[i];
  }
  check(asynchronous, "asynchronous copies are complete after the wait for their group, not before", name);
}

// A small float format. value() computes the value of a code from the definition of the format.
struct Format {
  int mantissa, bias, codes;  // codes: number of finite non-negative values
  double value(int code) const {
    const int exponent = code >> mantissa, fraction = code & ((1 << mantissa) - 1);
    return exponent ? ldexp((1 << mantissa) + fraction, exponent - bias - mantissa)
                    : ldexp(fraction, 1 - bias - mantissa);
  }
};

template <class Decode, class Encode>
void conversion(const char* name, Format format, int sign_bit, const Decode& decode, const Encode& encode) {
  bool decoded = true, rounded = true;
  for (int code = 0; code < format.codes; ++code) {
    const double value = format.value(code);
    decoded &= decode(code) == static_cast<float>(value) && decode(code | sign_bit) == static_cast<float>(-value) &&
               std::signbit(decode(code | sign_bit));
    rounded &= encode(static_cast<float>(value)) == code && encode(static_cast<float>(-value)) == (code | sign_bit);
    if (code + 1 == format.codes) continue;
    const float middle = static_cast<float>((value + format.value(code + 1)) / 2);
    if (static_cast<double>(middle) != (value + format.value(code + 1)) / 2) continue;  // not representable as a float
    const int even = code % 2 ? code + 1 : code;
    rounded &= encode(middle) == even && encode(-middle) == (even | sign_bit);
    rounded &= encode(std::nextafterf(middle, 0)) == code && encode(std::nextafterf(middle, INFINITY)) == code + 1;
  }
  check(decoded, "every code has the value of its definition", name);
  check(rounded, "every number, every midpoint and its neighbours round to nearest, ties to even", name);
  check(std::isnan(decode(encode(NAN))), "NaN stays NaN", name);
}

void conversions() {
  conversion("bf16", {7, 127, 0x7f80}, 0x8000, [](int c) { return __bfloat162float({static_cast<uint16_t>(c)}); },
             [](float x) { return static_cast<int>(__float2bfloat16_rn(x).bits); });
  conversion("f16", {10, 15, 0x7c00}, 0x8000, [](int c) { return __half2float({static_cast<uint16_t>(c)}); },
             [](float x) { return static_cast<int>(__float2half_rn(x).bits); });
  const auto to_fp8 = [](float x) { return static_cast<int>(__nv_fp8_e4m3(x).__x); };
  const auto of_fp8 = [](int code) {
    __nv_fp8_e4m3 x;
    x.__x = static_cast<uint8_t>(code);
    return static_cast<float>(x);
  };
  conversion("fp8 E4M3", {3, 7, 0x7f}, 0x80, of_fp8, to_fp8);
  check(std::isnan(of_fp8(0x7f)) && std::isnan(of_fp8(0xff)), "both codes of all ones are NaN", "fp8 E4M3");
  check(to_fp8(449) == 0x7e && to_fp8(1e30f) == 0x7e && to_fp8(INFINITY) == 0x7e && to_fp8(-INFINITY) == 0xfe,
        "saturates at 448", "fp8 E4M3");
  check(__float2bfloat16_rn(3.4e38f).bits == 0x7f80 && __float2bfloat16_rn(-INFINITY).bits == 0xff80,
        "overflows to infinity", "bf16");
}

}  // namespace

void check_arithmetic() {
  tensor_core(false, "ascending");
  tensor_core(true, "descending");
  conversions();
}
