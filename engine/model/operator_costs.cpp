#include "engine/model/operator_costs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "plan/operator_costs.h"

namespace predictor::engine {
namespace {

constexpr size_t kPlansOfQuery = 8;
constexpr size_t kPlans = 2000;
constexpr int kSteps = 300;
constexpr double kStepSize = 0.05;
// What holds prices: deviations to the common price, and that to what a common machine takes.
constexpr double kHoldDeviation = 1;
constexpr double kHoldCommon = 0.02;
constexpr double kUsualPrice[kOperatorInputCount] = {1e-2, 1e-4, 1e-4, 1e-3, 1e-6, 1e-5};  // ms
constexpr double kLeastShare = 0.05;  // a node that takes this of the statement counts whole ...
constexpr double kNoShare = 0.02;     // ... and with less than this part of that weight not at all
constexpr double kTiny = 1e-4;        // ms

using Prices = std::array<double, kOperatorInputCount>;

// One thing that was timed: the nodes [first, first + count) of the inputs.
struct Sample {
  size_t first, count;
  double log_ms;
  double weight;
};

struct Samples {
  std::vector<float> inputs;  // [nodes, kOperatorInputCount]
  std::vector<int> row;       // [nodes], operator_cost_row()
  std::vector<Sample> timed;
  std::vector<Sample> plans;  // the statements themselves, all nodes of each
};

double loops_in_process(const PredictorNode& n, const NodePlace& place) {
  return place.workers_above > 0 ? n.actual_loops / (place.workers_above + 1) : n.actual_loops;
}

// What happened, or where that was not counted what the planner expected.
NodeFlow flow_of(const PredictorNode& n, const NodePlace& place) {
  if (n.flags & PREDICTOR_NODE_NEVER_EXECUTED) return {0, 0};
  if ((n.flags & PREDICTOR_NODE_HAS_ROWS) != 0 && std::isfinite(n.actual_rows) &&
      std::isfinite(n.actual_loops))
    return {std::max(0.0, loops_in_process(n, place)), std::max(0.0, n.actual_rows)};
  return planned_flow(n, place);
}

bool is_timed(const PredictorNode& n) {
  return (n.flags & PREDICTOR_NODE_HAS_TIME) != 0 &&
         (n.flags & PREDICTOR_NODE_NEVER_EXECUTED) == 0 && std::isfinite(n.actual_total) &&
         n.actual_loops > 0;
}

class Collector {
 public:
  Collector(std::span<const OwnedRecord> records, const Dataset& data)
      : records_(records), data_(data) {}

  void add(int plan, float shift, double weight) {
    const PredictorRecord record = records_[data_.records[plan]].view();
    const auto nodes = static_cast<size_t>(record.node_count);
    std::vector<NodePlace> places(nodes);
    std::vector<NodeFlow> flow(nodes);
    find_places(record, places.data());
    for (size_t i = 0; i < nodes; i++) flow[i] = flow_of(record.nodes[i], places[i]);
    const size_t first = samples_.row.size();
    samples_.inputs.resize((first + nodes) * kOperatorInputCount);
    operator_inputs(record, places.data(), flow.data(),
                    &samples_.inputs[first * kOperatorInputCount]);
    for (size_t i = 0; i < nodes; i++) samples_.row.push_back(operator_cost_row(record.nodes[i]));
    const Sample whole{first, nodes, data_.log_ms[plan] - shift, weight};
    samples_.plans.push_back(whole);
    if (is_timed(record.nodes[0]))
      add_nodes(record, places, whole);
    else
      samples_.timed.push_back(whole);
  }
  const Samples& samples() const { return samples_; }

 private:
  void add_nodes(const PredictorRecord& record, const std::vector<NodePlace>& places,
                 const Sample& whole) {
    std::vector<double> own(whole.count);
    for (size_t i = 0; i < whole.count; i++) {
      const PredictorNode& n = record.nodes[i];
      const double wall = is_timed(n) ? n.actual_total * loops_in_process(n, places[i]) : 0;
      own[i] += wall;
      if (n.parent >= 0 && n.relationship != PREDICTOR_REL_INITPLAN) own[n.parent] -= wall;
    }
    const double all = kLeastShare * std::max(std::exp(whole.log_ms), kLeastMs);
    for (size_t i = 0; i < whole.count; i++) {
      const double part = std::min(1.0, own[i] / all);
      if (is_timed(record.nodes[i]) && part >= kNoShare)
        samples_.timed.push_back(
            {whole.first + i, 1, std::log(std::max(own[i], kLeastMs)), whole.weight * part});
    }
  }

  std::span<const OwnedRecord> records_;
  const Dataset& data_;
  Samples samples_;
};

// Some plans of each query, of so many queries as fit.
Samples collect(std::span<const OwnedRecord> records, const Dataset& data,
                std::span<const int> plans, std::span<const float> shift, uint64_t seed) {
  std::map<uint64_t, std::vector<size_t>> queries;
  for (size_t i = 0; i < plans.size(); i++)
    if (!data.censored[plans[i]]) queries[data.query[plans[i]]].push_back(i);
  std::mt19937_64 random(seed);
  std::vector<std::vector<size_t>> chosen;
  for (auto& [query, members] : queries) {
    std::shuffle(members.begin(), members.end(), random);
    if (members.size() > kPlansOfQuery) members.resize(kPlansOfQuery);
    chosen.push_back(std::move(members));
  }
  std::shuffle(chosen.begin(), chosen.end(), random);
  Collector collector(records, data);
  size_t count = 0;
  for (const auto& members : chosen) {
    for (size_t i : members)
      collector.add(plans[i], shift.empty() ? 0 : shift[i],
                    1.0 / static_cast<double>(members.size()));
    count += members.size();
    if (count >= kPlans) break;
  }
  return collector.samples();
}

// Adam (Kingma and Ba, ICLR 2015) over the logarithms of common prices and deviations.
class Fit {
 public:
  Fit() {
    for (int k = 0; k < kOperatorInputCount; k++) value_[0][k] = std::log(kUsualPrice[k]);
  }

  Prices prices(int row) const {
    Prices prices;
    for (int k = 0; k < kOperatorInputCount; k++)
      prices[k] = std::exp(value_[0][k] + value_[row + 1][k]);
    return prices;
  }

  double log_ms(const Samples& samples, const Sample& sample,
                const std::vector<Prices>& prices) const {
    double sum = kTiny;
    for (size_t i = sample.first; i < sample.first + sample.count; i++)
      for (int k = 0; k < kOperatorInputCount; k++)
        sum += samples.inputs[i * kOperatorInputCount + k] * prices[samples.row[i]][k];
    return std::log(sum);
  }

  std::vector<Prices> all_prices() const {
    std::vector<Prices> all;
    for (int row = 0; row < kOperatorCostRows; row++) all.push_back(prices(row));
    return all;
  }

  void step(const Samples& samples, int number) {
    std::vector<Prices> slope(kOperatorCostRows + 1, Prices{});
    const std::vector<Prices> price = all_prices();
    for (const Sample& sample : samples.timed) {
      const double log_sum = log_ms(samples, sample, price);
      const double error = std::clamp(log_sum - sample.log_ms, -1.0, 1.0) * sample.weight;
      const double scale = error / std::exp(log_sum);
      for (size_t i = sample.first; i < sample.first + sample.count; i++) {
        const int row = samples.row[i];
        for (int k = 0; k < kOperatorInputCount; k++) {
          const double part = scale * samples.inputs[i * kOperatorInputCount + k] * price[row][k];
          slope[0][k] += part;
          slope[row + 1][k] += part;
        }
      }
    }
    for (int k = 0; k < kOperatorInputCount; k++) {
      slope[0][k] += kHoldCommon * (value_[0][k] - std::log(kUsualPrice[k]));
      for (int row = 1; row <= kOperatorCostRows; row++)
        slope[row][k] += kHoldDeviation * value_[row][k];
    }
    descend(slope, number);
  }

 private:
  void descend(const std::vector<Prices>& slope, int number) {
    constexpr double kMean = 0.9, kSquare = 0.99, kEpsilon = 1e-8;
    const double size = kStepSize * (1 - static_cast<double>(number) / kSteps);
    const double mean_bias = 1 - std::pow(kMean, number + 1);
    const double square_bias = 1 - std::pow(kSquare, number + 1);
    for (size_t row = 0; row < slope.size(); row++)
      for (int k = 0; k < kOperatorInputCount; k++) {
        const double g = slope[row][k];
        mean_[row][k] = kMean * mean_[row][k] + (1 - kMean) * g;
        square_[row][k] = kSquare * square_[row][k] + (1 - kSquare) * g * g;
        value_[row][k] -= size * (mean_[row][k] / mean_bias) /
                          (std::sqrt(square_[row][k] / square_bias) + kEpsilon);
      }
  }

  // Row 0 is common to all, row r + 1 is operator_cost_row() r's deviation.
  std::vector<Prices> value_ = std::vector<Prices>(kOperatorCostRows + 1, Prices{});
  std::vector<Prices> mean_ = value_, square_ = value_;
};

// Node times are those of instrumented executions, which take longer: the statements' own times say
// by how much.
double scale_to_statements(const Samples& samples, const Fit& fit,
                           const std::vector<Prices>& prices) {
  std::vector<double> left;
  for (const Sample& plan : samples.plans)
    left.push_back(plan.log_ms - fit.log_ms(samples, plan, prices));
  std::nth_element(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(left.size() / 2),
                   left.end());
  return std::exp(left[left.size() / 2]);
}

double expected_log_ms(const OperatorCosts& costs, const PredictorRecord& record) {
  const auto nodes = static_cast<size_t>(record.node_count);
  std::vector<NodePlace> places(nodes);
  std::vector<NodeFlow> flow(nodes);
  std::vector<float> inputs(nodes * kOperatorInputCount), log_total(nodes);
  find_places(record, places.data());
  for (size_t i = 0; i < nodes; i++) flow[i] = planned_flow(record.nodes[i], places[i]);
  operator_inputs(record, places.data(), flow.data(), inputs.data());
  costs.compose(record, inputs.data(), log_total.data());
  return log_total[0];
}

}  // namespace

std::vector<float> fit_operator_costs(std::span<const OwnedRecord> records, const Dataset& data,
                                      std::span<const int> plans, std::span<const float> shift,
                                      uint64_t seed, const std::function<void()>& check) {
  const Samples samples = collect(records, data, plans, shift, seed);
  if (samples.timed.empty()) return {};
  Fit fit;
  for (int number = 0; number < kSteps; number++) {
    check();
    fit.step(samples, number);
  }
  const std::vector<Prices> prices = fit.all_prices();
  const double scale = scale_to_statements(samples, fit, prices);
  std::vector<float> flat;
  for (const Prices& row : prices)
    for (double price : row) flat.push_back(static_cast<float>(std::min(price * scale, 1e30)));
  return flat;
}

std::vector<float> withheld_operator_times(std::span<const OwnedRecord> records,
                                           const Dataset& data, std::span<const int> plans,
                                           std::span<const float> shift, uint64_t seed,
                                           const std::function<void()>& check) {
  constexpr int kFolds = 10;
  std::vector<int> positions(plans.size());
  std::iota(positions.begin(), positions.end(), 0);
  std::vector<uint64_t> query;
  for (int plan : plans) query.push_back(data.query[plan]);
  std::vector<float> answers(plans.size(), std::numeric_limits<float>::quiet_NaN());
  const auto folds = fold_by(query, positions, kFolds, seed);
  for (const auto& held : folds) {
    std::vector<uint8_t> is_held(plans.size());
    for (int i : held) is_held[i] = 1;
    std::vector<int> rest;
    std::vector<float> rest_shift;
    for (size_t i = 0; i < plans.size(); i++)
      if (!is_held[i]) rest.push_back(plans[i]), rest_shift.push_back(shift[i]);
    const auto prices = fit_operator_costs(records, data, rest, rest_shift, seed, check);
    if (prices.empty()) continue;
    const auto section = write_operator_costs(prices);
    OperatorCosts costs;
    if (!costs.open(section)) continue;
    for (int i : held)
      answers[i] =
          static_cast<float>(expected_log_ms(costs, records[data.records[plans[i]]].view()));
  }
  return answers;
}

}  // namespace predictor::engine
