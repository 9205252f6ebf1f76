// plan_cache.h - how long plans took that were executed before: by plan and
// constants, and by plan.
//
// A cached time is one more witness, with the spread that it had;
// blend_log_time() weighs it by that against what network and forest say.
#ifndef PREDICTOR_PLAN_PLAN_CACHE_H
#define PREDICTOR_PLAN_PLAN_CACHE_H

#include <cstddef>
#include <cstdint>

#include "plan/flat_table.h"
#include "plan/plan_record.h"

namespace predictor {

inline constexpr uint32_t kPlanCacheVersion = 1;
inline constexpr size_t kPlanCacheLimit = 21000;  // entries; 0.8 MB with their empty slots

struct CachedTime {
  uint64_t key = 0;
  float log_ms = 0;    // median of ln ms, not instrumented
  float variance = 0;  // of the next execution around it
  float count = 0;     // 0: nothing is known
  float unused = 0;
};

using PlanCache = FlatTable<CachedTime>;

// Never 0: of the plan, and of the plan with its constants or with none.
uint64_t plan_key(const PredictorStatement& statement);
uint64_t exact_plan_key(const PredictorStatement& statement);

}  // namespace predictor

#endif
