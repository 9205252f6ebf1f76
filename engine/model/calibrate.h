// calibrate.h - from withheld executions to weights and intervals. No Torch in here.
#ifndef PREDICTOR_ENGINE_MODEL_CALIBRATE_H
#define PREDICTOR_ENGINE_MODEL_CALIBRATE_H

#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/dataset.h"
#include "plan/calibration.h"
#include "plan/network.h"
#include "plan/predict.h"

namespace predictor::engine {

// One withheld execution with what a network that has not seen it answers.
struct Withheld {
  int plan = 0;
  Familiarity familiarity = kUnseen;
  uint64_t group = 0;      // counts once in choices, however many executions it has
  double log_cost = 0;     // ln of the calibrated cost
  double log_ms = 0;       // measured, less what instrumentation added
  bool censored = false;   // log_ms is a lower bound
  float answers[kOutputCount] = {};
};

// A bundle without a network is a model too: then all answers are 0.
Withheld evaluate_withheld(const Model& model, const OwnedRecord& record, const Dataset& data,
                           int plan, float shift);

// The weight of the network that errs least on these executions; `prior` is taken where there are
// too few to say, and `protect` is how much better (in mean |ln error|) the network must be than
// the cost to get more weight.
double choose_weight(std::span<const Withheld> withheld, double prior, double protect);

// Offsets that make the 90 % interval hold on these executions (5 % beyond either side); with few
// executions they reach further than any of them did.
Blend calibrate_interval(std::span<const Withheld> withheld, double weight);

// Part of the uncensored executions inside the interval, each calibrated on the other half.
double measure_coverage(std::span<const Withheld> withheld, double weight);

}  // namespace predictor::engine

#endif
