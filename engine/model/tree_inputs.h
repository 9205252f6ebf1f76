// tree_inputs.h - what a tree network is trained on, as tensors. Torch headers: for
// tree_trainer.cpp.
#ifndef PREDICTOR_ENGINE_MODEL_TREE_INPUTS_H
#define PREDICTOR_ENGINE_MODEL_TREE_INPUTS_H

#include <torch/torch.h>

#include <span>
#include <vector>

#include "engine/model/dataset.h"
#include "engine/model/tree_network.h"

namespace predictor::engine {

// How the raw features become inputs: clipped to a little more than the training's range, so that
// an unlike plan cannot drive the network where it never was, then standardised.
struct Scaling {
  std::vector<float> low, high;
  std::vector<double> mean, scale;
};

Scaling fit_scaling(const Dataset& data, std::span<const int> plans);

// Labels with their weights; a label that is missing has weight 0.
struct LabelTensors {
  torch::Tensor value;     // [nodes, kLabelCount]
  torch::Tensor weight;    // [nodes, kLabelCount]
  torch::Tensor censored;  // [nodes], 1 where the time is a lower bound
  torch::Tensor level;     // [nodes, 2]: rows counted, timers
};

LabelTensors make_labels(const Dataset& data, double node_weight);

NodeTensors make_inputs(const Dataset& data, const Scaling& scaling, const KnownContent& known);

}  // namespace predictor::engine

#endif
