// kernels.h - the loops that networks in plan/ are made of: rows of floats times matrices.
//
// For the .cpp files of networks alone. The callers are compiled once for each width of vectors
// (PREDICTOR_WIDE), and what is here is inlined into each of them, so it must be PREDICTOR_INLINE.
// Widths are multiples of kLaneCount; sums are made in one order on every target.
#ifndef PREDICTOR_PLAN_KERNELS_H
#define PREDICTOR_PLAN_KERNELS_H

#include <cmath>
#include <cstddef>

#include "plan/network.h"

// One build serves every CPU: the loader picks the widest version that this one runs.
#if defined(__x86_64__) && defined(__gnu_linux__)
#define PREDICTOR_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define PREDICTOR_WIDE
#endif
#define PREDICTOR_INLINE __attribute__((always_inline)) inline

namespace predictor {

// The compiler lowers this to what the target has: one 512-bit register, two of 256 or four of 128.
// Passed by pointer only: its calling convention differs between targets, and clang takes what a
// function returns by reference for aligned in full.
typedef float Lanes __attribute__((vector_size(kLaneCount * sizeof(float)), aligned(4), may_alias));

PREDICTOR_INLINE const Lanes* lanes(const float* p) { return reinterpret_cast<const Lanes*>(p); }
PREDICTOR_INLINE Lanes* lanes(float* p) { return reinterpret_cast<Lanes*>(p); }

// y[0 .. 4 * kLaneCount) += x W for four blocks of columns of W. Written out, because the sums must
// stay in registers, and four of them in flight hide the latency of an addition.
PREDICTOR_INLINE void add_product4(const float* x, int inputs, const float* weights, int stride,
                                   float* y) {
  Lanes sum0 = *lanes(y), sum1 = *lanes(y + kLaneCount);
  Lanes sum2 = *lanes(y + 2 * kLaneCount), sum3 = *lanes(y + 3 * kLaneCount);
  for (int i = 0; i < inputs; i++, weights += stride) {
    sum0 += x[i] * *lanes(weights);
    sum1 += x[i] * *lanes(weights + kLaneCount);
    sum2 += x[i] * *lanes(weights + 2 * kLaneCount);
    sum3 += x[i] * *lanes(weights + 3 * kLaneCount);
  }
  *lanes(y) = sum0, *lanes(y + kLaneCount) = sum1;
  *lanes(y + 2 * kLaneCount) = sum2, *lanes(y + 3 * kLaneCount) = sum3;
}

// The same for two blocks: even and odd inputs apart make four sums again.
PREDICTOR_INLINE void add_product2(const float* x, int inputs, const float* weights, int stride,
                                   float* y) {
  Lanes even0 = *lanes(y), even1 = *lanes(y + kLaneCount), odd0 = {}, odd1 = {};
  int i = 0;
  for (; i + 2 <= inputs; i += 2, weights += 2 * stride) {
    even0 += x[i] * *lanes(weights);
    even1 += x[i] * *lanes(weights + kLaneCount);
    odd0 += x[i + 1] * *lanes(weights + stride);
    odd1 += x[i + 1] * *lanes(weights + stride + kLaneCount);
  }
  if (i < inputs) {
    even0 += x[i] * *lanes(weights);
    even1 += x[i] * *lanes(weights + kLaneCount);
  }
  *lanes(y) = even0 + odd0;
  *lanes(y + kLaneCount) = even1 + odd1;
}

PREDICTOR_INLINE void add_product1(const float* x, int inputs, const float* weights, int stride,
                                   float* y) {
  Lanes even = *lanes(y), odd = {};
  int i = 0;
  for (; i + 2 <= inputs; i += 2, weights += 2 * stride) {
    even += x[i] * *lanes(weights);
    odd += x[i + 1] * *lanes(weights + stride);
  }
  if (i < inputs) even += x[i] * *lanes(weights);
  *lanes(y) = even + odd;
}

// y += x W, where W is [inputs, outputs] and outputs a multiple of kLaneCount.
PREDICTOR_INLINE void add_product(const float* x, int inputs, const float* weights, int outputs,
                                  float* y) {
  int column = 0;
  for (; column + 4 * kLaneCount <= outputs; column += 4 * kLaneCount)
    add_product4(x, inputs, weights + column, outputs, y + column);
  for (; column + 2 * kLaneCount <= outputs; column += 2 * kLaneCount)
    add_product2(x, inputs, weights + column, outputs, y + column);
  if (column < outputs) add_product1(x, inputs, weights + column, outputs, y + column);
}

PREDICTOR_INLINE void add_row(const float* row, int width, float* y) {
  for (int j = 0; j < width; j += kLaneCount) *lanes(y + j) += *lanes(row + j);
}

// y += each of the rows. Written out for four blocks, so that the sums stay in registers.
PREDICTOR_INLINE void add_rows(const float* const* rows, int count, int width, float* y) {
  int j = 0;
  for (; j + 4 * kLaneCount <= width; j += 4 * kLaneCount) {
    Lanes sum0 = *lanes(y + j), sum1 = *lanes(y + j + kLaneCount);
    Lanes sum2 = *lanes(y + j + 2 * kLaneCount), sum3 = *lanes(y + j + 3 * kLaneCount);
    for (int i = 0; i < count; i++) {
      const float* row = rows[i] + j;
      sum0 += *lanes(row), sum1 += *lanes(row + kLaneCount);
      sum2 += *lanes(row + 2 * kLaneCount), sum3 += *lanes(row + 3 * kLaneCount);
    }
    *lanes(y + j) = sum0, *lanes(y + j + kLaneCount) = sum1;
    *lanes(y + j + 2 * kLaneCount) = sum2, *lanes(y + j + 3 * kLaneCount) = sum3;
  }
  for (; j < width; j += kLaneCount)
    for (int i = 0; i < count; i++) *lanes(y + j) += *lanes(rows[i] + j);
}

PREDICTOR_INLINE void relu(int width, float* y) {
  const Lanes zero = {};
  for (int j = 0; j < width; j += kLaneCount) {
    Lanes x = *lanes(y + j);
    *lanes(y + j) = x > zero ? x : zero;
  }
}

inline bool all_finite(const float* x, size_t count) {
  if (x == nullptr) return false;
  for (size_t i = 0; i < count; i++)
    if (!std::isfinite(x[i])) return false;
  return true;
}

}  // namespace predictor

#endif
