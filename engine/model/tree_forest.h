// tree_forest.h - the forest of template `tree`: boosted trees on the plan as a
// whole, with the rows that memory recalls in place of the planner's. Trees and
// network err differently, so that both together err less; calibration decides
// how much each counts. No Torch in here.
#ifndef PREDICTOR_ENGINE_MODEL_TREE_FOREST_H
#define PREDICTOR_ENGINE_MODEL_TREE_FOREST_H

#include <cstddef>
#include <span>
#include <vector>

#include "engine/model/dataset.h"
#include "engine/model/model.h"

namespace predictor::engine {

// The content of a kTreeForest section: ln(time / calibrated cost) of plans
// whose features are those of recall_dataset(). `shift` is what the
// instrumentation of each of `training` and then each of `validation` adds to
// ln ms. The validation plans say when to stop, after `trees` at the latest, which becomes how many
// there are; without any all are made. Asks check_stop().
std::vector<std::byte> train_tree_forest(std::span<const OwnedRecord> records, const Dataset& data,
                                         std::span<const int> training,
                                         std::span<const int> validation,
                                         std::span<const float> shift,
                                         const TrainingOptions& options, int& trees);

// More and slower ones take longer and answer no better; fewer and faster ones lose in the tails.
inline constexpr int kMostTreesOfTree = 200;
inline constexpr double kRateOfTree = 0.09;

}  // namespace predictor::engine

#endif
