// training_json.h - a training's progress and result as JSON: on the wire, on disk, and between the
// server and the process that trains.
#ifndef PREDICTOR_ENGINE_TRAINING_JSON_H
#define PREDICTOR_ENGINE_TRAINING_JSON_H

#include <nlohmann/json_fwd.hpp>

#include "engine/model/model.h"

namespace predictor::engine {

nlohmann::json progress_to_json(const TrainingProgress& progress);
TrainingProgress progress_from_json(const nlohmann::json& object);

// The facts of a training, without the bundle.
nlohmann::json result_to_json(const TrainingResult& result);
TrainingResult result_from_json(const nlohmann::json& object);

}  // namespace predictor::engine

#endif
