// evaluate_members.h - asks the members of a fusion one by one.
#ifndef PREDICTOR_ENGINE_EVALUATE_MEMBERS_H
#define PREDICTOR_ENGINE_EVALUATE_MEMBERS_H

#include <vector>

#include "plan/predict.h"

namespace predictor::engine {

// ms of the statement, in the order of member_names(); empty for a bundle without a network.
// `workspace` as for predict().
std::vector<double> ask_members(const Model& model, const PredictorRecord& plan, void* workspace);

}  // namespace predictor::engine

#endif
