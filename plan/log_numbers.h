// log_numbers.h - how the planner's numbers enter features: bounded, and in log space.
#ifndef PREDICTOR_PLAN_LOG_NUMBERS_H
#define PREDICTOR_PLAN_LOG_NUMBERS_H

#include <algorithm>
#include <cmath>

namespace predictor {

// Unknown and negative numbers count as 0, and nothing exceeds what a float can hold.
inline double known(double x) { return x > 0 ? std::min(x, 1e30) : 0; }

// ln(1 + x). A third of what is asked for is 0, which needs no logarithm.
inline float log1(double x) { return x > 0 ? std::log(1.0f + static_cast<float>(known(x))) : 0.0f; }

}  // namespace predictor

#endif
