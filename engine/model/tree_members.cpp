#include "engine/model/tree_members.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <utility>

#include "engine/model/cross_fit.h"
#include "engine/model/model.h"

namespace predictor::engine {
namespace {

using namespace std::chrono_literals;
using KeepOn = std::function<bool(const EpochReport&)>;

struct Member {
  NetworkWeights weights;
  std::vector<float> shifts;
  TrainerResult run;
};

class Members {
 public:
  Members(const Dataset& data, const KnownContent& known, const TrainerOptions& options,
          std::span<const Split> splits, std::span<const int> asked)
      : data_(data),
        known_(known),
        options_(options),
        splits_(splits),
        asked_(asked),
        done_(splits.size()) {}

  // Whatever happens, nothing still uses what these members refer to.
  ~Members() {
    given_up_ = true;
    for (std::future<Member>& other : others_)
      if (other.valid()) other.wait();
  }

  void train_in_turn(const KeepOn& keep_on) {
    const auto start = std::chrono::steady_clock::now();
    for (int m = 0; m < count(); m++) {
      TrainerOptions own = options_of(m);
      const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
      if (own.max_seconds > 0)
        own.max_seconds = std::max(0.1, (own.max_seconds - spent.count()) / (count() - m));
      done_[m] = train_one(m, own, [&](EpochReport report) {
        report.epoch = (m * own.epochs + report.epoch) / count();
        return keep_on(report);
      });
    }
  }

  void train_side_by_side(const KeepOn& keep_on) {
    auto own = [this](int m) {
      TrainerOptions options = options_of(m);
      options.threads /= count();
      return options;
    };
    for (int m = 1; m < count(); m++)
      others_.push_back(std::async(std::launch::async, [this, m, options = own(m)] {
        return train_one(m, options, [this](const EpochReport&) { return !given_up_; });
      }));
    EpochReport latest;
    done_[0] = train_one(0, own(0), [&](const EpochReport& report) {
      latest = report;
      for (size_t other = 0; other < others_.size(); other++) collect(other, 0s);
      return keep_on(report);
    });
    for (size_t other = 0; other < others_.size(); other++)
      while (!collect(other, 500ms))
        if (!keep_on(latest)) throw TrainingCancelled();
  }

  TrainedMembers take() {
    TrainedMembers all;
    all.run = done_[0].run;
    for (Member& member : done_) {
      all.weights.push_back(std::move(member.weights));
      all.shifts.push_back(std::move(member.shifts));
    }
    return all;
  }

 private:
  int count() const { return static_cast<int>(done_.size()); }

  TrainerOptions options_of(int member) const {
    TrainerOptions options = options_;
    options.seed += static_cast<uint64_t>(member) * 7919;
    if (member > 0) options.stage += "-" + std::to_string(member + 1);
    return options;
  }

  Member train_one(int member, const TrainerOptions& options, const KeepOn& keep_on) const {
    const Split& split = splits_[member];
    const KnownContent met = only_met(known_, data_, split.training);
    TreeTrainer trainer(data_, met, options);
    const TrainerResult run = trainer.train(split.training, split.held_out, keep_on);
    NetworkWeights weights = trainer.weights();
    forget_unmet(met, weights);
    return {std::move(weights), trainer.instrumentation_shift(asked_), run};
  }

  // Is the other's network there? Throws what ended its training.
  bool collect(size_t other, std::chrono::milliseconds patience) {
    if (!others_[other].valid()) return true;
    if (others_[other].wait_for(patience) != std::future_status::ready) return false;
    done_[other + 1] = others_[other].get();
    return true;
  }

  const Dataset& data_;
  const KnownContent& known_;
  const TrainerOptions& options_;
  std::span<const Split> splits_;
  std::span<const int> asked_;
  std::vector<Member> done_;
  std::vector<std::future<Member>> others_;  // the members after the first
  std::atomic<bool> given_up_ = false;
};

}  // namespace

TrainedMembers train_members(const Dataset& data, const KnownContent& known,
                             const TrainerOptions& options, std::span<const Split> splits,
                             std::span<const int> asked, const KeepOn& keep_on) {
  Members members(data, known, options, splits, asked);
  // A GPU works for one network at a time.
  if (options.device == "cpu" && options.threads >= static_cast<int>(splits.size()))
    members.train_side_by_side(keep_on);
  else
    members.train_in_turn(keep_on);
  return members.take();
}

}  // namespace predictor::engine
