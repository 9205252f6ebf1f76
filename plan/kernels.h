// kernels.h - the loops that networks in plan/ are made of: rows of floats times matrices.
//
// For the .cpp files of networks alone. Whatever uses these loops is a template over the floats in
// a register, `V`, that PREDICTOR_FOR_EVERY_CPU compiles for each width there is; it and what is
// here is inlined into that, so it must be PREDICTOR_INLINE. Vectors are as wide as registers and
// no wider: compilers make wider ones of scalars, which is many times slower. Widths are multiples
// of kLaneCount; sums are made in one order on every target.
#ifndef PREDICTOR_PLAN_KERNELS_H
#define PREDICTOR_PLAN_KERNELS_H

#include <cmath>
#include <cstddef>

#include "plan/network.h"

#define PREDICTOR_INLINE __attribute__((always_inline)) inline

// Defines the function `name parameters`, which calls name_as<V> arguments.
#if defined(__x86_64__)
#define PREDICTOR_FOR_EVERY_CPU(name, parameters, arguments)                                 \
  __attribute__((target("avx512f"))) void name##_512 parameters { name##_as<16> arguments; } \
  __attribute__((target("avx2,fma"))) void name##_256 parameters { name##_as<8> arguments; } \
  void name parameters {                                                                     \
    if (register_floats == 16) return name##_512 arguments;                                  \
    if (register_floats == 8) return name##_256 arguments;                                   \
    name##_as<4> arguments;                                                                  \
  }
#else
#define PREDICTOR_FOR_EVERY_CPU(name, parameters, arguments) \
  void name parameters { name##_as<4> arguments; }
#endif

namespace predictor {

// Floats in a register of this CPU: 16, 8 or 4. Only tests set it, to less.
extern int register_floats;

// Passed by pointer only: how functions pass vectors differs between targets, and clang takes what
// a function returns by reference for aligned in full.
template <int V>
struct VectorOf;
template <>
struct VectorOf<16> {
  typedef float Type __attribute__((vector_size(64), aligned(4), may_alias));
};
template <>
struct VectorOf<8> {
  typedef float Type __attribute__((vector_size(32), aligned(4), may_alias));
};
template <>
struct VectorOf<4> {
  typedef float Type __attribute__((vector_size(16), aligned(4), may_alias));
};
template <int V>
using Vector = typename VectorOf<V>::Type;

template <int V>
PREDICTOR_INLINE const Vector<V>* vector_at(const float* p) {
  return reinterpret_cast<const Vector<V>*>(p);
}
template <int V>
PREDICTOR_INLINE Vector<V>* vector_at(float* p) {
  return reinterpret_cast<Vector<V>*>(p);
}

// y[0 .. kCount * V) += x W for as many columns of W. Of kPhases inputs in turn each has sums of
// its own: eight sums in flight hide the latency of an addition. The loops over them are unrolled,
// because they must stay in registers.
template <int V, int kCount, int kPhases>
PREDICTOR_INLINE void add_columns(const float* x, int inputs, const float* weights, int stride,
                                  float* y) {
  Vector<V> sum[kPhases][kCount] = {};
  int i = 0;
  for (; i + kPhases <= inputs; i += kPhases, weights += kPhases * stride) {
#pragma GCC unroll 4
    for (int p = 0; p < kPhases; p++) {
#pragma GCC unroll 4
      for (int k = 0; k < kCount; k++)
        sum[p][k] += x[i + p] * *vector_at<V>(weights + p * stride + k * V);
    }
  }
  for (; i < inputs; i++, weights += stride) {
#pragma GCC unroll 4
    for (int k = 0; k < kCount; k++) sum[0][k] += x[i] * *vector_at<V>(weights + k * V);
  }
#pragma GCC unroll 4
  for (int k = 0; k < kCount; k++) {
#pragma GCC unroll 4
    for (int p = 1; p < kPhases; p++) sum[0][k] += sum[p][k];
    *vector_at<V>(y + k * V) += sum[0][k];
  }
}

// y += x W, where W is [inputs, outputs].
template <int V>
PREDICTOR_INLINE void add_product(const float* x, int inputs, const float* weights, int outputs,
                                  float* y) {
  constexpr int kWide = 4 * kLaneCount;  // the order of a sum must not depend on V
  int column = 0;
  if (outputs >= kWide) {
    for (; column + 4 * V <= outputs; column += 4 * V)
      add_columns<V, 4, 2>(x, inputs, weights + column, outputs, y + column);
    for (; column < outputs; column += V)
      add_columns<V, 1, 2>(x, inputs, weights + column, outputs, y + column);
  } else {
    for (; column + 2 * V <= outputs; column += 2 * V)
      add_columns<V, 2, 4>(x, inputs, weights + column, outputs, y + column);
    for (; column < outputs; column += V)
      add_columns<V, 1, 4>(x, inputs, weights + column, outputs, y + column);
  }
}

template <int V>
PREDICTOR_INLINE void add_row(const float* row, int width, float* y) {
  for (int j = 0; j < width; j += V) *vector_at<V>(y + j) += *vector_at<V>(row + j);
}

// y[0 .. kCount * V) += those columns of each of the rows.
template <int V, int kCount>
PREDICTOR_INLINE void add_row_columns(const float* const* rows, int count, int column, float* y) {
  Vector<V> sum[kCount];
#pragma GCC unroll 4
  for (int k = 0; k < kCount; k++) sum[k] = *vector_at<V>(y + column + k * V);
  for (int i = 0; i < count; i++) {
#pragma GCC unroll 4
    for (int k = 0; k < kCount; k++) sum[k] += *vector_at<V>(rows[i] + column + k * V);
  }
#pragma GCC unroll 4
  for (int k = 0; k < kCount; k++) *vector_at<V>(y + column + k * V) = sum[k];
}

// y += each of the rows.
template <int V>
PREDICTOR_INLINE void add_rows(const float* const* rows, int count, int width, float* y) {
  int column = 0;
  for (; column + 4 * V <= width; column += 4 * V) add_row_columns<V, 4>(rows, count, column, y);
  for (; column < width; column += V) add_row_columns<V, 1>(rows, count, column, y);
}

template <int V>
PREDICTOR_INLINE void relu(int width, float* y) {
  const Vector<V> zero = {};
  for (int j = 0; j < width; j += V) {
    Vector<V> x = *vector_at<V>(y + j);
    *vector_at<V>(y + j) = x > zero ? x : zero;
  }
}

// x = in, between low and high, for at least V numbers.
template <int V>
PREDICTOR_INLINE void clip(int count, const float* in, const float* low, const float* high,
                           float* x) {
  for (int j = 0; j < count; j += V) {
    const int at = j + V <= count ? j : count - V;  // the last one overlaps
    const Vector<V> least = *vector_at<V>(low + at), most = *vector_at<V>(high + at);
    Vector<V> y = *vector_at<V>(in + at);
    y = y > least ? y : least;
    *vector_at<V>(x + at) = y < most ? y : most;
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
