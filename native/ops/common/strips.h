// Processes a row in strips of sixteen lanes. The body is a generic lambda (i, n). For full strips, n has type Full,
// and the body compiles to code without branches. For the tail, the body runs once, and n is the number of remaining
// elements. The body must pass n to the load and store functions below.
#pragma once
#include "simd.h"

namespace ingrain::INGRAIN_ISA {

struct Full {};
template <class E> inline vec load(const E* p, Full) { return load(p); }
template <class E> inline vec load(const E* p, int64_t n) { return load_some(p, n); }
template <class E> inline vec load(const E* p, Full, float) { return load(p); }
template <class E> inline vec load(const E* p, int64_t n, float rest) { return load_some(p, n, rest); }
template <class E> inline void store(E* p, vec a, Full) { store(p, a); }
template <class E> inline void store(E* p, vec a, int64_t n) { store_some(p, a, n); }

template <class Body>
inline __attribute__((always_inline)) void strips(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(i, Full{});
  if (i < n) body(i, n - i);
}

// Sums a row: term(i, n, a) returns `a` plus the terms of the strip at index i. The strips are added to four
// accumulators in turn. Then the accumulators are added as (0 + 1) + (2 + 3), and then the lanes as a tree. So the
// order of summation depends only on the length of the row.
template <class Term>
inline __attribute__((always_inline)) float sum_strips(int64_t n, const Term& term) {
  vec a = splat(0.0f), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a = term(i, Full{}, a);
    b = term(i + lanes, Full{}, b);
    c = term(i + 2 * lanes, Full{}, c);
    d = term(i + 3 * lanes, Full{}, d);
  }
  for (; i + lanes <= n; i += lanes) a = term(i, Full{}, a);
  if (i < n) b = term(i, n - i, b);
  return sum((a + b) + (c + d));
}

// Returns the argument `grain` of `parallel_for` for rows of n elements: the smallest number of rows for which another
// thread saves time.
inline int64_t row_grain(int64_t n) { return 1 + 16384 / (n + 1); }

}  // namespace ingrain::INGRAIN_ISA
