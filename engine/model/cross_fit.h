// cross_fit.h - which queries are withheld from which network of a training, and what a network
// then does not know. No Torch in here.
//
// Every execution teaches most networks and tests at most one: together they have learned from
// everything, and each still has executions that it never saw to be calibrated on.
#ifndef PREDICTOR_ENGINE_MODEL_CROSS_FIT_H
#define PREDICTOR_ENGINE_MODEL_CROSS_FIT_H

#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/dataset.h"
#include "plan/known.h"
#include "plan/network.h"

namespace predictor::engine {

// For each network what it learns from, and the `share` of all plans that is withheld from it
// alone: whole groups. Fewer than asked for where there are too few groups, perhaps none.
std::vector<Split> withhold_in_turn(const Dataset& data, int networks, double share, uint64_t seed);

// Of `known` what occurs in these plans. The identities keep their rows; the others' places stay
// empty (0).
KnownContent only_met(const KnownContent& known, const Dataset& data, std::span<const int> plans);

// Gives the empty places of only_met() the weights of what is unknown: other networks of the same
// bundle have met these identities, this one has not.
void forget_unmet(const KnownContent& known, NetworkWeights& weights);

}  // namespace predictor::engine

#endif
