// prediction.h - answers /v1/predict: plans in, numbers out, by the runtime of plan/ that the
// database itself uses. Without the network; pure functions, thread-safe.
#ifndef PREDICTOR_ENGINE_PREDICTION_H
#define PREDICTOR_ENGINE_PREDICTION_H

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/model_cache.h"
#include "plan/codec.h"

namespace predictor::engine {

inline constexpr char kRecordsType[] = "application/vnd.predictor.records";
inline constexpr char kJsonType[] = "application/json";

// The plans of a request's body: a codec stream, or what EXPLAIN (FORMAT JSON) prints (an object
// with a "Plan", or a list of such objects). At least one and at most `most`.
Result<std::vector<OwnedRecord>> read_plans(const std::string& content_type,
                                            std::span<const std::byte> body, size_t most);

// {"model", "version", "sha256", "predictions": [...]}, one prediction for each plan, in their
// order; with the nodes of each plan if they are wanted.
nlohmann::json predict_plans(const ServedModel& served, std::span<const OwnedRecord> plans,
                             bool with_nodes);

}  // namespace predictor::engine

#endif
