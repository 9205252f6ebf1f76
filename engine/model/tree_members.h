// tree_members.h - the networks of one training, which differ by their seeds and by what was
// withheld from each. Each errs by chance in its own way, so that their mean answer
// (plan/network.h) errs less than any one does. No Torch in here.
#ifndef PREDICTOR_ENGINE_MODEL_TREE_MEMBERS_H
#define PREDICTOR_ENGINE_MODEL_TREE_MEMBERS_H

#include <functional>
#include <span>
#include <vector>

#include "engine/model/tree_trainer.h"

namespace predictor::engine {

struct TrainedMembers {
  std::vector<NetworkWeights> weights;
  // What the instrumentation of each plan asked for adds to ln ms, by each network.
  std::vector<std::vector<float>> shifts;
  TrainerResult run;  // of the first
};

// Trains a network on each of `splits` as TreeTrainer::train() does, which stops by what is held
// out there: side by side where there is a thread for each, else one after the other; on one thread
// and on as many as networks the result is the same. `keep_on` is called from the calling thread,
// with the epochs of all when they follow one another and those of the first when they do not. The
// seconds in `options` are those of all together, and the stages of the networks after the first
// are called "STAGE-2" and so on. What of `known` a network's own training never met is unknown to
// it, in the weights, too.
TrainedMembers train_members(const Dataset& data, const KnownContent& known,
                             const TrainerOptions& options, std::span<const Split> splits,
                             std::span<const int> asked,
                             const std::function<bool(const EpochReport&)>& keep_on);

}  // namespace predictor::engine

#endif
