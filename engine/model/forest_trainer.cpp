#include "engine/model/forest_trainer.h"

#include <xgboost/c_api.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/model/model.h"

namespace predictor::engine {
namespace {

using Json = nlohmann::json;

void check(int status) {
  if (status != 0) throw TrainingError(std::string("XGBoost: ") + XGBGetLastError());
}

class Matrix {
 public:
  Matrix(const std::vector<float>& x, size_t rows, size_t columns) {
    check(XGDMatrixCreateFromMat(x.data(), rows, columns, std::numeric_limits<float>::quiet_NaN(),
                                 &handle_));
  }
  ~Matrix() { XGDMatrixFree(handle_); }
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;
  DMatrixHandle handle() const { return handle_; }

 private:
  DMatrixHandle handle_ = nullptr;
};

class Booster {
 public:
  Booster(const Matrix& training, const ForestOptions& options) {
    DMatrixHandle matrices[] = {training.handle()};
    check(XGBoosterCreate(matrices, 1, &handle_));
    auto set = [this](const char* name, const std::string& value) {
      check(XGBoosterSetParam(handle_, name, value.c_str()));
    };
    set("verbosity", "0");
    set("tree_method", "hist");
    set("base_score", "0");
    set("nthread", std::to_string(options.threads));
    set("seed", std::to_string(options.seed & 0x7fffffff));
    set("max_depth", std::to_string(options.depth));
    set("eta", std::to_string(options.learning_rate));
    set("subsample", std::to_string(options.rows_share));
    set("colsample_bytree", std::to_string(options.columns_share));
    set("min_child_weight", std::to_string(options.least_weight));
    set("lambda", std::to_string(options.ridge));
  }
  ~Booster() { XGBoosterFree(handle_); }
  Booster(const Booster&) = delete;
  Booster& operator=(const Booster&) = delete;

  // Valid until the next call.
  std::span<const float> answer(const Matrix& matrix) {
    static constexpr char kConfig[] =
        R"({"type":1,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":false})";
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* values = nullptr;
    check(XGBoosterPredictFromDMatrix(handle_, matrix.handle(), kConfig, &shape, &dimensions,
                                      &values));
    return {values, shape[0]};
  }
  void add_tree(const Matrix& training, std::vector<float>& gradient, std::vector<float>& hessian) {
    check(XGBoosterBoostOneIter(handle_, training.handle(), gradient.data(), hessian.data(),
                                gradient.size()));
  }
  Json save() {
    const char* text = nullptr;
    bst_ulong length = 0;
    check(XGBoosterSaveModelToBuffer(handle_, R"({"format":"json"})", &length, &text));
    return Json::parse(text, text + length);
  }

 private:
  BoosterHandle handle_ = nullptr;
};

// XGBoost's work grows with the columns, most of which never change: a
// vocabulary of operators and relations that this database does not use.
std::vector<int> varying_columns(const ForestData& data, std::span<const int> rows) {
  std::vector<int> columns;
  for (int c = 0; c < data.columns; c++) {
    const auto value = [&](int row) { return data.x[size_t(row) * data.columns + c]; };
    for (int row : rows)
      if (value(row) != value(rows[0])) {
        columns.push_back(c);
        break;
      }
  }
  // XGBoost wants one.
  if (columns.empty()) columns.push_back(0);
  return columns;
}

std::vector<float> gather(const ForestData& data, std::span<const int> rows,
                          const std::vector<int>& columns) {
  std::vector<float> x;
  x.reserve(rows.size() * columns.size());
  for (int row : rows)
    for (int c : columns) x.push_back(data.x[size_t(row) * data.columns + c]);
  return x;
}

// Weighted median of what ran to its end: where the trees start from.
float find_base(const ForestData& data, std::span<const int> rows) {
  std::vector<float> targets;
  for (int row : rows)
    if (!data.censored[row]) targets.push_back(data.target[row]);
  if (targets.empty()) return 0;
  const auto middle = targets.begin() + static_cast<ptrdiff_t>(targets.size() / 2);
  std::nth_element(targets.begin(), middle, targets.end());
  return *middle;
}

std::vector<ForestNode> take_tree(const Json& tree, const std::vector<int>& columns,
                                  int column_count) {
  const auto& left = tree.at("left_children");
  const auto& right = tree.at("right_children");
  const auto& feature = tree.at("split_indices");
  const auto& condition = tree.at("split_conditions");
  // Breadth first, so that the levels that every walk visits share cache lines.
  std::vector<int> order{0};
  std::vector<ForestNode> nodes(1);
  for (size_t i = 0; i < order.size(); i++) {
    const auto from = static_cast<size_t>(order[i]);
    ForestNode& n = nodes[i];
    n.threshold = condition[from].get<float>();
    if (left[from].get<int>() < 0) {
      n.feature = static_cast<uint16_t>(column_count);
      n.ahead = 0;
      continue;
    }
    n.feature = static_cast<uint16_t>(columns[feature[from].get<size_t>()]);
    n.ahead = static_cast<uint16_t>(order.size() - i);
    order.push_back(left[from].get<int>());
    order.push_back(right[from].get<int>());
    nodes.resize(order.size());
  }
  return nodes;
}

class Run {
 public:
  Run(const ForestData& data, std::span<const int> training, std::span<const int> validation,
      const ForestOptions& options)
      : data_(data),
        training_(training),
        validation_(validation),
        options_(options),
        columns_(varying_columns(data, training)),
        train_x_(gather(data, training, columns_), training.size(), columns_.size()),
        booster_(train_x_, options) {
    out_.base = find_base(data, training);
    if (!validation.empty())
      valid_x_ = std::make_unique<Matrix>(gather(data, validation, columns_), validation.size(),
                                          columns_.size());
  }

  TrainedForest boost(const std::function<void(int, double)>& keep_on) {
    double least = std::numeric_limits<double>::infinity();
    int best = 0;
    for (int round = 1; round <= options_.rounds; round++) {
      add_tree();
      double loss = 0;
      if (valid_x_) {
        loss = validate(round);
        if (loss < least) least = loss, best = round;
      }
      keep_on(round, loss);
      if (valid_x_ && round - best >= options_.patience) break;
    }
    const Json saved = booster_.save();
    for (const Json& tree : saved.at("learner").at("gradient_booster").at("model").at("trees"))
      out_.trees.push_back(take_tree(tree, columns_, data_.columns));
    return std::move(out_);
  }

 private:
  void add_tree() {
    std::vector<float> gradient(training_.size()), hessian(training_.size());
    const std::span<const float> answers = booster_.answer(train_x_);
    for (size_t i = 0; i < training_.size(); i++) {
      const int row = training_[i];
      const double difference = out_.base + answers[i] - data_.target[row];
      if (!std::isfinite(difference))
        throw TrainingError("the forest's loss is no longer a number, first at training row " +
                            std::to_string(row));
      const double weight = data_.weight.empty() ? 1 : data_.weight[row];
      // Of a censored row only an answer below its target is wrong.
      const bool counts = !data_.censored[row] || difference < 0;
      const double scaled = difference / options_.huber;
      const double root = std::sqrt(1 + scaled * scaled);
      gradient[i] = static_cast<float>(counts ? weight * difference / root : 0);
      // The exact one, root^-3, vanishes far out and makes steps there too
      // long.
      hessian[i] = static_cast<float>(counts ? weight / root : 1e-6);
    }
    booster_.add_tree(train_x_, gradient, hessian);
  }

  double validate(int round) {
    const std::span<const float> answers = booster_.answer(*valid_x_);
    double loss = 0;
    for (size_t i = 0; i < validation_.size(); i++) {
      const int row = validation_[i];
      loss += forest_loss(out_.base + answers[i], data_.target[row], data_.censored[row] != 0,
                          options_.huber);
    }
    loss /= static_cast<double>(validation_.size());
    out_.losses.push_back(loss);
    if (round % TrainedForest::kEvery == 0) {
      out_.answers.emplace_back(answers.begin(), answers.end());
      for (float& answer : out_.answers.back()) answer += out_.base;
    }
    return loss;
  }

  const ForestData& data_;
  std::span<const int> training_, validation_;
  const ForestOptions& options_;
  std::vector<int> columns_;
  Matrix train_x_;
  std::unique_ptr<Matrix> valid_x_;
  Booster booster_;
  TrainedForest out_;
};

}  // namespace

double forest_loss(double answer, double target, bool is_censored, double huber) {
  const double difference = answer - target;
  if (is_censored && difference > 0) return 0;
  const double scaled = difference / huber;
  return huber * (std::sqrt(1 + scaled * scaled) - 1);
}

TrainedForest train_forest(const ForestData& data, std::span<const int> training,
                           std::span<const int> validation, const ForestOptions& options,
                           const std::function<void(int round, double loss)>& keep_on) {
  return Run(data, training, validation, options).boost(keep_on);
}

}  // namespace predictor::engine
