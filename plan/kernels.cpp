#include "plan/kernels.h"

namespace predictor {
namespace {

int widest_registers() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return 16;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 8;
#endif
  return 4;
}

}  // namespace

int register_floats = widest_registers();

}  // namespace predictor
