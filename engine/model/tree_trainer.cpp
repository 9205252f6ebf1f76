#include "engine/model/tree_trainer.h"

#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>
#include <sstream>

#include "engine/model/checkpoint.h"
#include "engine/model/device_memory.h"
#include "engine/model/model.h"
#include "engine/model/tree_inputs.h"
#include "engine/model/tree_network.h"
#include "plan/siphash.h"

namespace predictor::engine {
namespace {

using torch::Tensor;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Pinball loss (Koenker and Bassett, "Regression Quantiles", Econometrica 1978).
Tensor pinball(const Tensor& error, double quantile) {
  return torch::maximum(quantile * error, (quantile - 1) * error);
}

std::array<int64_t, kIdentityCount> table_sizes(const KnownContent& known) {
  std::array<int64_t, kIdentityCount> sizes;
  for (int t = 0; t < kIdentityCount; t++)
    sizes[t] = static_cast<int64_t>(known.identities[t].size() + kFirstIdentity);
  return sizes;
}

}  // namespace

struct TreeTrainer::State {
  const Dataset& data;
  KnownContent known;
  TrainerOptions options;
  torch::Device device;
  Scaling scaling;
  NodeTensors inputs;
  LabelTensors labels;
  int lowest_level = 0;
  std::unique_ptr<TreeNetworkModule> network;
  std::vector<Tensor> averaged;  // of the weights over the last steps
  std::mt19937_64 random;
  std::vector<int64_t> shift;  // per node, from its row to that of what memory says
  // Not Torch's global one, so that trainings side by side do not disturb each other's seeds.
  at::Generator generator;

  State(const Dataset& d, const KnownContent& k, const TrainerOptions& o)
      : data(d),
        known(k),
        options(o),
        device(o.device),
        random(o.seed),
        generator(make_generator(device, o.seed)) {}

  void prepare(std::span<const int> training);
  Tensor drop_identities(const Tensor& identity);
  Tensor draw_seen(const Batch& batch, std::span<const int> plans);
  Tensor forward(const Batch& batch, const Tensor& rows, const Tensor& seen, bool training);
  Tensor composed_time(const Batch& batch, const Tensor& out, const Tensor& rows,
                       const Tensor& seen) const;
  Tensor added_by_level(const Tensor& out, const Tensor& rows) const;
  Tensor loss(const Batch& batch, const Tensor& out, const Tensor& rows, const Tensor& seen) const;
  void average_weights(int64_t step);
  void swap_weights();
  double validate(std::span<const int> plans);
  double run_epoch(std::span<int> plans, torch::optim::AdamW& optimizer, int epoch,
                   const std::function<bool()>& keep_on);
};

void TreeTrainer::State::prepare(std::span<const int> training) {
  scaling = fit_scaling(data, training);
  inputs = make_inputs(data, scaling, known);
  labels = make_labels(data, options.node_weight);
  lowest_level = PREDICTOR_INSTRUMENT_TIMERS;
  for (int p : training) lowest_level = std::min<int>(lowest_level, data.level[p]);
  // A level that every plan has cannot be told from the rest: predictions include it.
  for (int level = 1; level <= lowest_level; level++) labels.level.select(1, level - 1).zero_();
  for (Tensor* t :
       {&inputs.numeric, &inputs.category, &inputs.identity, &inputs.log_work, &inputs.recalled,
        &labels.value, &labels.weight, &labels.censored, &labels.level})
    *t = t->to(device);
  network->to(device);
  averaged.clear();
  for (const Tensor& p : network->parameters()) averaged.push_back(p.detach().clone());
}

// Makes some identities unknown, and now and then all of a plan's kind, so that the network also
// learns to answer for relations and predicates that it has never met.
Tensor TreeTrainer::State::drop_identities(const Tensor& identity) {
  Tensor known_row = identity != static_cast<int64_t>(kNoIdentity);
  Tensor drop = torch::rand(identity.sizes(), generator, torch::TensorOptions().device(device)) <
                options.identity_dropout;
  return torch::where(drop.logical_and(known_row),
                      torch::full_like(identity, static_cast<int64_t>(kUnknownIdentity)), identity);
}

// How memory sees the batch's plans, drawn anew each time: with another execution of their query,
// or with none.
Tensor TreeTrainer::State::draw_seen(const Batch& batch, std::span<const int> plans) {
  constexpr unsigned kRepeatPercent = 40;
  if (data.other.first.empty()) return to_index(batch.nodes, device);
  shift.resize(static_cast<size_t>(data.nodes()));
  for (int p : plans) {
    const bool wants_repeat = random() % 100 < kRepeatPercent;
    const int other = data.other.first[p];
    const bool takes_other = other >= 0 && wants_repeat == (data.other.is_repeat[p] != 0);
    const int64_t by = takes_other ? int64_t{data.nodes()} + other - data.first[p] : 0;
    std::fill(shift.begin() + data.first[p], shift.begin() + data.first[p + 1], by);
  }
  std::vector<int64_t> seen(batch.nodes);
  for (int64_t& row : seen) row += shift[static_cast<size_t>(row)];
  return to_index(seen, device);
}

Tensor TreeTrainer::State::forward(const Batch& batch, const Tensor& rows, const Tensor& seen,
                                   bool training) {
  Tensor identity = inputs.identity.index_select(0, rows);
  if (training) identity = drop_identities(identity);
  Tensor out = network->forward(batch, inputs.numeric.index_select(0, seen),
                                inputs.category.index_select(0, rows), identity,
                                training ? options.message_dropout : 0, generator);
  // Rows are relative to recalled ones.
  Tensor column =
      torch::one_hot(torch::full({1}, int64_t{kOutRows}, inputs.category.options()), out.size(1))
          .to(out.dtype());
  return torch::addmm(out, inputs.recalled.index_select(0, seen), column);
}

// What the execution's instrumentation adds to ln ms of each row.
Tensor TreeTrainer::State::added_by_level(const Tensor& out, const Tensor& rows) const {
  Tensor added = torch::softplus(out.narrow(1, kOutRowsLevel, 2));
  return (added * labels.level.index_select(0, rows)).sum(1);
}

Tensor TreeTrainer::State::composed_time(const Batch& batch, const Tensor& out, const Tensor& rows,
                                         const Tensor& seen) const {
  return compose_batch(batch, out, inputs.log_work.index_select(0, seen)) +
         added_by_level(out, rows);
}

Tensor TreeTrainer::State::loss(const Batch& batch, const Tensor& out, const Tensor& rows,
                                const Tensor& seen) const {
  constexpr double kSpreadWeight = 0.5;
  Tensor value = labels.value.index_select(0, rows);
  Tensor weight = labels.weight.index_select(0, rows);
  Tensor censored = labels.censored.index_select(0, rows);
  Tensor label = value.select(1, kTimeLabel);
  // A lower bound teaches nothing once the prediction is above it.
  auto one_sided = [&censored](const Tensor& error) {
    return torch::where(censored > 0, error.clamp_min(0), error);
  };
  // Times must compose as well as they can by themselves: the correction learns what is left.
  Tensor composed = composed_time(batch, out, rows, seen);
  Tensor median = composed.detach() + out.select(1, kOutCorrection);
  Tensor fixed = median.detach();
  Tensor low = pinball(label - (fixed - torch::softplus(out.select(1, kOutLowSpread))), 0.05);
  Tensor high =
      pinball(one_sided(label - (fixed + torch::softplus(out.select(1, kOutHighSpread)))), 0.95);
  Tensor time = one_sided(label - composed).abs() + one_sided(label - median).abs() +
                kSpreadWeight * (low * (1 - censored) + high);
  Tensor startup = torch::smooth_l1_loss(-torch::softplus(out.select(1, kOutStartup)),
                                         value.select(1, kStartupLabel), at::Reduction::None);
  Tensor planned_rows = (out.select(1, kOutRows) - value.select(1, kRowsLabel)).abs();
  Tensor memory = (out.select(1, kOutMemory) - value.select(1, kMemoryLabel)).abs();
  Tensor sum = (time * weight.select(1, kTimeLabel)).sum() +
               (startup * weight.select(1, kStartupLabel)).sum() +
               (planned_rows * weight.select(1, kRowsLabel)).sum() +
               (memory * weight.select(1, kMemoryLabel)).sum();
  return sum / static_cast<double>(batch.levels[0].end);
}

// Polyak averaging: the mean over the last steps generalises better than the last step.
void TreeTrainer::State::average_weights(int64_t step) {
  torch::NoGradGuard no_grad;
  double keep = std::min(0.995, (1.0 + static_cast<double>(step)) / (10.0 + step));
  auto parameters = network->parameters();
  for (size_t i = 0; i < parameters.size(); i++) averaged[i].lerp_(parameters[i], 1 - keep);
}

void TreeTrainer::State::swap_weights() {
  torch::NoGradGuard no_grad;
  auto parameters = network->parameters();
  for (size_t i = 0; i < parameters.size(); i++) {
    Tensor current = parameters[i].detach().clone();
    parameters[i].copy_(averaged[i]);
    averaged[i].copy_(current);
  }
}

// Mean absolute error of ln ms; what is censored counts only where predicted too low.
double TreeTrainer::State::validate(std::span<const int> plans) {
  constexpr size_t kChunk = 512;
  torch::NoGradGuard no_grad;
  double sum = 0;
  for (size_t at = 0; at < plans.size(); at += kChunk) {
    Batch batch = make_batch(data, plans.subspan(at, std::min(kChunk, plans.size() - at)));
    Tensor rows = to_index(batch.nodes, device);
    int64_t count = batch.levels[0].end;
    Tensor out = forward(batch, rows, rows, false);
    Tensor composed = composed_time(batch, out, rows, rows);
    Tensor label = labels.value.index_select(0, rows).select(1, kTimeLabel);
    Tensor censored = labels.censored.index_select(0, rows);
    for (const Tensor& time : {composed, composed + out.select(1, kOutCorrection)}) {
      Tensor error = torch::where(censored > 0, (label - time).clamp_min(0), (label - time).abs());
      sum += 0.5 * error.narrow(0, 0, count).sum().item<double>();
    }
  }
  return sum / static_cast<double>(plans.size());
}

double TreeTrainer::State::run_epoch(std::span<int> plans, torch::optim::AdamW& optimizer,
                                     int epoch, const std::function<bool()>& keep_on) {
  constexpr double kWarmup = 0.05, kLastRate = 0.02, kGradientNorm = 1.0;
  std::shuffle(plans.begin(), plans.end(), random);
  const size_t batch_plans = static_cast<size_t>(options.batch_plans);
  const size_t steps = (plans.size() + batch_plans - 1) / batch_plans;
  double total = 0;
  for (size_t s = 0; s < steps; s++) {
    if (!keep_on()) throw TrainingCancelled();
    double progress =
        (epoch + static_cast<double>(s) / static_cast<double>(steps)) / options.epochs;
    double rate = progress < kWarmup
                      ? progress / kWarmup + 0.01
                      : kLastRate + (1 - kLastRate) * 0.5 * (1 + std::cos(M_PI * progress));
    static_cast<torch::optim::AdamWOptions&>(optimizer.param_groups()[0].options())
        .lr(rate * options.learning_rate);
    size_t begin = s * batch_plans, end = std::min(plans.size(), begin + batch_plans);
    Batch batch = make_batch(data, plans.subspan(begin, end - begin));
    Tensor rows = to_index(batch.nodes, device);
    Tensor seen = draw_seen(batch, plans.subspan(begin, end - begin));
    Tensor value = loss(batch, forward(batch, rows, seen, true), rows, seen);
    double number = value.item<double>();
    if (!std::isfinite(number)) return number;
    optimizer.zero_grad();
    value.backward();
    torch::nn::utils::clip_grad_norm_(network->parameters(), kGradientNorm);
    optimizer.step();
    average_weights(static_cast<int64_t>(epoch) * static_cast<int64_t>(steps) +
                    static_cast<int64_t>(s));
    total += number * static_cast<double>(end - begin);
  }
  return total / static_cast<double>(plans.size());
}

namespace {

// Torch's words for "no memory left", in ours; everything else goes on as it is.
template <class Work>
auto with_our_memory_errors(const Work& work) {
  try {
    return work();
  } catch (const c10::OutOfMemoryError& problem) {
    throw DeviceMemoryError(problem.what_without_backtrace());
  } catch (const c10::Error& problem) {
    // The CPU's allocator has no type of its own in every release.
    if (std::string_view(problem.what()).find("not enough memory") == std::string_view::npos) throw;
    throw std::bad_alloc();
  }
}

}  // namespace

TreeTrainer::TreeTrainer(const Dataset& data, const KnownContent& known,
                         const TrainerOptions& options)
    : state_(std::make_unique<State>(data, known, options)) {
  torch::set_num_threads(std::max(1, options.threads));
  state_->network = std::make_unique<TreeNetworkModule>(options, table_sizes(known));
}

TreeTrainer::~TreeTrainer() = default;

// What a training loop is doing, beside the weights.
struct TreeTrainer::Loop {
  State& state;
  torch::optim::AdamW optimizer;
  Tensor order;              // of the training plans; shuffled anew in each epoch
  uint64_t which = 0;        // hash of these plans
  std::vector<Tensor> best;  // weights; only once best_epoch is not 0
  double epochs = 0, best_epoch = 0, validation = 0;

  Loop(State& s, std::span<const int> training)
      : state(s),
        optimizer(s.network->parameters(), torch::optim::AdamWOptions(s.options.learning_rate)
                                               .weight_decay(s.options.weight_decay)),
        order(torch::empty({static_cast<int64_t>(training.size())}, torch::kInt32)) {
    std::copy(training.begin(), training.end(), order.data_ptr<int>());
    for (int p : training) which = siphash24_words(kPublicKey, {which, static_cast<uint64_t>(p)});
    for (const Tensor& p : s.network->parameters()) best.push_back(p.detach().clone());
  }

  std::span<int> plans() { return {order.data_ptr<int>(), static_cast<size_t>(order.numel())}; }
  bool is_over() const {
    const TrainerOptions& options = state.options;
    return epochs >= options.epochs || (epochs > 0 && epochs - best_epoch >= options.patience);
  }
  void keep_if_better(double score, bool is_only_latest);
  LoopState view();
  std::string fingerprint() const;
  void restore();
  void save();
};

void TreeTrainer::Loop::keep_if_better(double score, bool is_only_latest) {
  torch::NoGradGuard no_grad;
  if (!std::isfinite(score) || !(best_epoch == 0 || is_only_latest || score < validation)) return;
  auto parameters = state.network->parameters();
  for (size_t i = 0; i < parameters.size(); i++) best[i].copy_(parameters[i]);
  best_epoch = epochs;
  validation = score;
}

LoopState TreeTrainer::Loop::view() {
  LoopState all{{order}, &optimizer, state.generator, &state.random, {}};
  for (const Tensor& p : state.network->parameters()) all.tensors.push_back(p);
  all.tensors.insert(all.tensors.end(), state.averaged.begin(), state.averaged.end());
  all.tensors.insert(all.tensors.end(), best.begin(), best.end());
  all.numbers = {&epochs, &best_epoch, &validation};
  return all;
}

// The records are the job's own and do not change; what else decides the training is in here.
std::string TreeTrainer::Loop::fingerprint() const {
  const TrainerOptions& o = state.options;
  std::ostringstream text;
  text << "tree " << kFeatureVersion << ' ' << TORCH_VERSION << ' ' << o.device << ' ' << o.threads
       << ' ' << o.seed << ' ' << o.epochs << ' ' << o.patience << ' ' << o.batch_plans << ' '
       << state.data.plans() << ' ' << state.data.nodes() << ' ' << order.numel() << ' ' << which;
  return text.str();
}

void TreeTrainer::Loop::restore() {
  Checkpoints* checkpoints = state.options.checkpoints;
  if (checkpoints == nullptr) return;
  const auto bytes = checkpoints->load(state.options.stage);
  LoopState all = view();
  if (bytes) restore_loop(all, fingerprint(), *bytes);
}

void TreeTrainer::Loop::save() {
  Checkpoints* checkpoints = state.options.checkpoints;
  if (checkpoints != nullptr)
    checkpoints->save(state.options.stage, save_loop(view(), fingerprint()));
}

TrainerResult TreeTrainer::train(std::span<const int> training, std::span<const int> validation,
                                 const std::function<bool(const EpochReport&)>& keep_on) {
  return with_our_memory_errors([&] { return train_once(training, validation, keep_on); });
}

TrainerResult TreeTrainer::train_once(std::span<const int> training,
                                      std::span<const int> validation,
                                      const std::function<bool(const EpochReport&)>& keep_on) {
  State& s = *state_;
  s.prepare(training);
  const Clock::time_point start = Clock::now();
  Clock::time_point last_report = start;
  Loop loop(s, training);
  loop.restore();
  EpochReport report;
  report.epoch = static_cast<int>(loop.epochs);
  report.validation = loop.validation;
  auto alive = [&] {
    if (s.options.stop != nullptr && *s.options.stop) return false;
    if (seconds_since(last_report) < 0.5) return true;
    last_report = Clock::now();
    return keep_on(report);
  };
  while (!loop.is_over()) {
    double loss = s.run_epoch(loop.plans(), loop.optimizer, static_cast<int>(loop.epochs), alive);
    // The weights of the epochs before are still good; without any there is no model.
    if (!std::isfinite(loss)) break;
    loop.epochs++;
    s.swap_weights();
    double score = validation.empty() ? loss : s.validate(validation);
    loop.keep_if_better(score, validation.empty());
    s.swap_weights();
    loop.save();
    report = {static_cast<int>(loop.epochs), loss, score};
    last_report = Clock::now();
    if (!keep_on(report)) throw TrainingCancelled();
    if (s.options.max_seconds > 0 && seconds_since(start) > s.options.max_seconds) break;
  }
  if (loop.best_epoch == 0)
    throw TrainingError(
        "the training loss is not a finite number from the start; the records "
        "contain times or estimates that cannot be learned from");
  torch::NoGradGuard no_grad;
  auto parameters = s.network->parameters();
  for (size_t i = 0; i < parameters.size(); i++) parameters[i].copy_(loop.best[i]);
  return {static_cast<int>(loop.epochs), static_cast<int>(loop.best_epoch), loop.validation};
}

TreeTrainer::Answers TreeTrainer::answers(std::span<const int> plans) const {
  torch::NoGradGuard no_grad;
  const Dataset& data = state_->data;
  Batch batch = make_batch(data, plans);
  Tensor rows = to_index(batch.nodes, state_->device);
  Tensor out = state_->forward(batch, rows, rows, false);
  Tensor log_total = compose_batch(batch, out, state_->inputs.log_work.index_select(0, rows))
                         .to(torch::kCPU)
                         .contiguous();
  out = out.to(torch::kCPU).contiguous();
  std::vector<size_t> position(static_cast<size_t>(data.nodes()));
  size_t total = 0;
  for (int p : plans)
    for (int node = data.first[p]; node < data.first[p + 1]; node++) position[node] = total++;
  Answers answers{std::vector<float>(total * kOutputCount), std::vector<float>(total)};
  for (size_t row = 0; row < batch.nodes.size(); row++) {
    size_t to = position[static_cast<size_t>(batch.nodes[row])];
    std::copy_n(out.data_ptr<float>() + row * kTrainingOutputCount, kOutputCount,
                &answers.outputs[to * kOutputCount]);
    answers.log_total[to] = log_total.data_ptr<float>()[row];
  }
  return answers;
}

std::vector<float> TreeTrainer::instrumentation_shift(std::span<const int> plans) const {
  torch::NoGradGuard no_grad;
  constexpr size_t kChunk = 512;
  std::vector<float> shift;
  for (size_t at = 0; at < plans.size(); at += kChunk) {
    Batch batch = make_batch(state_->data, plans.subspan(at, std::min(kChunk, plans.size() - at)));
    Tensor rows = to_index(batch.nodes, state_->device);
    Tensor added = state_->added_by_level(state_->forward(batch, rows, rows, false), rows)
                       .narrow(0, 0, batch.levels[0].end)
                       .to(torch::kCPU)
                       .contiguous();
    shift.insert(shift.end(), added.data_ptr<float>(), added.data_ptr<float>() + added.numel());
  }
  return shift;
}

NetworkWeights TreeTrainer::weights() const {
  const Scaling& scaling = state_->scaling;
  return state_->network->export_weights(scaling.mean, scaling.scale, scaling.low, scaling.high);
}

}  // namespace predictor::engine
