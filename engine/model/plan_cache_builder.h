// plan_cache_builder.h - makes the plan cache (plan/plan_cache.h) from
// executions. No Torch here.
#ifndef PREDICTOR_ENGINE_MODEL_PLAN_CACHE_BUILDER_H
#define PREDICTOR_ENGINE_MODEL_PLAN_CACHE_BUILDER_H

#include <span>
#include <vector>

#include "engine/model/dataset.h"
#include "plan/plan_cache.h"

namespace predictor::engine {

// Times of `plans`, cancelled ones left out; `shift[i]` is what the
// instrumentation of plans[i] added to ln ms. The most useful first: those most
// often executed. A plan executed once or twice has the spread of plans in
// general, which is learned from those executed more often; without such plans
// nothing is known of it, and nothing is cached.
std::vector<CachedTime> build_plan_cache(std::span<const OwnedRecord> records, const Dataset& data,
                                         std::span<const int> plans, std::span<const float> shift);

}  // namespace predictor::engine

#endif
