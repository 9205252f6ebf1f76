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

// y[0 .. kBlocks * kLaneCount) += x W for as many blocks of columns of W. Each input of kPhases in
// turn has sums of its own: eight in flight hide the latency of an addition. The loops over them
// are unrolled, because the sums must stay in registers.
template <int kBlocks, int kPhases>
PREDICTOR_INLINE void add_blocks(const float* x, int inputs, const float* weights, int stride,
                                 float* y) {
  Lanes sum[kPhases][kBlocks] = {};
  int i = 0;
  for (; i + kPhases <= inputs; i += kPhases, weights += kPhases * stride) {
#pragma GCC unroll 8
    for (int p = 0; p < kPhases; p++) {
#pragma GCC unroll 8
      for (int b = 0; b < kBlocks; b++)
        sum[p][b] += x[i + p] * *lanes(weights + p * stride + b * kLaneCount);
    }
  }
  for (; i < inputs; i++, weights += stride) {
#pragma GCC unroll 8
    for (int b = 0; b < kBlocks; b++) sum[0][b] += x[i] * *lanes(weights + b * kLaneCount);
  }
#pragma GCC unroll 8
  for (int b = 0; b < kBlocks; b++) {
#pragma GCC unroll 8
    for (int p = 1; p < kPhases; p++) sum[0][b] += sum[p][b];
    *lanes(y + b * kLaneCount) += sum[0][b];
  }
}

// y += x W, where W is [inputs, outputs] and outputs a multiple of kLaneCount.
PREDICTOR_INLINE void add_product(const float* x, int inputs, const float* weights, int outputs,
                                  float* y) {
  int column = 0;
  for (; column + 4 * kLaneCount <= outputs; column += 4 * kLaneCount)
    add_blocks<4, 2>(x, inputs, weights + column, outputs, y + column);
  for (; column + 2 * kLaneCount <= outputs; column += 2 * kLaneCount)
    add_blocks<2, 4>(x, inputs, weights + column, outputs, y + column);
  if (column < outputs) add_blocks<1, 4>(x, inputs, weights + column, outputs, y + column);
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
