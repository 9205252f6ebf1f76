#include "engine/opengauss/training.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "engine/files.h"
#include "engine/opengauss/train_log.h"
#include "engine/support_test.h"
#include "plan/opengauss_encoding.h"

namespace predictor::engine::opengauss {
namespace {

struct Operator {
  const char* operation;
  const char* strategy;
  double cost_ms;
};
constexpr Operator kOperators[] = {
    {"SCAN", "SEQ", 40},   {"SCAN", "INDEX", 2}, {"JOIN", "HASH", 90},  {"SORT", "", 300},
    {"AGG", "HASHED", 25}, {"LIMIT", "", 1},     {"MATERIALIZE", "", 8}};

// A workload as the kernel would send it: chains of operators on tables of which each has a size of
// its own, and a total time that is the sum over the sub-plan.
std::string workload(int queries, uint64_t seed, bool is_shuffled = false) {
  std::mt19937_64 random(seed);
  std::vector<std::string> heads;
  std::vector<double> times;
  for (int query = 1; query <= queries; query++) {
    const int nodes = 1 + static_cast<int>(random() % 6);
    const std::string table = "public.t" + std::to_string(random() % 4);
    const double size = std::pow(4.0, table.back() - '0');
    std::vector<double> own(nodes);
    for (int i = 0; i < nodes; i++) {
      const Operator& op = kOperators[random() % std::size(kOperators)];
      own[i] = op.cost_ms * size;
      char text[PREDICTOR_OPENGAUSS_TEXT_SIZE];
      predictor_opengauss_encode(op.operation, "ROW", op.strategy, "", 1,
                                 predictor_opengauss_hash(" ", 1),
                                 predictor_opengauss_hash(table.data(), table.size()), text);
      heads.push_back(std::to_string(query) + ", " + std::to_string(i + 1) + ", " +
                      std::to_string(i) + ", " + text);
    }
    for (int i = 0; i < nodes; i++) {
      double total = 0;
      for (int k = i; k < nodes; k++) total += own[k];
      times.push_back(total);
    }
  }
  if (is_shuffled) std::shuffle(times.begin(), times.end(), random);
  std::string csv;
  for (size_t i = 0; i < heads.size(); i++) {
    csv += heads[i] + ", 0, " + std::to_string(std::llround(times[i])) + ", 10, -1\n";
  }
  return csv;
}

PlanCsv parsed(const std::string& csv) {
  Result<PlanCsv> plans = parse_plan_csv(csv);
  EXPECT_TRUE(plans) << plans.error().message;
  return std::move(plans.value());
}

ModelConfig quick_config(const std::string& labels) {
  ModelConfig config;
  config.model_name = "m";
  config.labels = labels;
  config.max_epoch = 60;
  config.batch_size = 64;
  config.hidden_units = 32;
  config.learning_rate = 2;
  return config;
}

TrainingOutcome trained(const PlanCsv& plans, const ModelConfig& config,
                        const TrainedModel* earlier = nullptr) {
  return train_model({config, &plans, earlier, 1, nullptr}, [](const LstmReport&) {});
}

std::shared_ptr<const TrainedModel> opened(const TrainingOutcome& outcome) {
  return TrainedModel::open(write_opengauss_model(outcome.facts, outcome.weights, openssl_sha256));
}

double mean_ratio(const TrainedModel& model, const PlanCsv& plans) {
  double sum = 0;
  double count = 0;
  for (const PlanCsv::Query& query : plans.queries) {
    const std::vector<double> labels = predict_nodes(model, plans, query);
    for (size_t i = 0; i < query.nodes.size(); i++, count++) {
      const double actual = query.nodes[i].labels[1] + 1;
      sum += std::max((labels[i] + 1) / actual, actual / (labels[i] + 1));
    }
  }
  return sum / count;
}

TEST(OpenGaussTraining, reaches_a_ratio_below_two_on_unseen_queries) {
  const TrainingOutcome outcome = trained(parsed(workload(250, 1)), quick_config("T"));
  EXPECT_TRUE(outcome.is_converged);
  EXPECT_EQ(outcome.feature_length, 67);
  const auto model = opened(outcome);
  ASSERT_TRUE(model);
  EXPECT_LT(mean_ratio(*model, parsed(workload(80, 2))), 2);
}

TEST(OpenGaussTraining, shuffled_labels_do_not_converge) {
  const TrainingOutcome outcome = trained(parsed(workload(250, 1, true)), quick_config("T"));
  EXPECT_FALSE(outcome.is_converged);
  EXPECT_GT(mean_ratio(*opened(outcome), parsed(workload(80, 2))), 2);
}

TEST(OpenGaussTraining, fewer_features_do_as_well_here) {
  ModelConfig config = quick_config("T");
  config.dim_red = 0.95;
  const TrainingOutcome outcome = trained(parsed(workload(250, 1)), config);
  EXPECT_LT(outcome.feature_length, 67);
  const auto model = opened(outcome);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->feature_count(), 67);
  EXPECT_LT(mean_ratio(*model, parsed(workload(80, 2))), 2);
}

TEST(OpenGaussTraining, maxima_grow_and_training_goes_on) {
  ModelConfig config = quick_config("TR");
  const PlanCsv small = parsed("1, 1, 0, 1 0 1 , 0, 7, 10, 0\n2, 1, 0, 1 1 1 , 0, 3, 2, 0\n");
  const PlanCsv large = parsed("1, 1, 0, 1 0 1 , 0, 70000, 1, 0\n2, 1, 0, 1 1 1 , 0, 3, 1, 0\n");
  const TrainingOutcome first = trained(small, config);
  EXPECT_EQ(first.facts.maxima[1], 7);
  EXPECT_EQ(first.facts.maxima[3], 1);
  const TrainingOutcome second = trained(large, config, opened(first).get());
  EXPECT_EQ(second.facts.maxima[1], 70000);
  EXPECT_EQ(second.facts.maxima[2], 10);
  EXPECT_GT(second.facts.epochs, first.facts.epochs);
  // With other labels the network has another shape and begins anew.
  config.labels = "T";
  EXPECT_LE(trained(small, config, opened(second).get()).facts.epochs, config.max_epoch);
}

TEST(OpenGaussTraining, a_label_that_was_never_measured_is_not_converged) {
  const PlanCsv plans = parsed("1, 1, 0, 1 0 1 , 0, 7, 1, -1\n2, 1, 0, 1 1 1 , 0, 3, 1, -1\n");
  const TrainingOutcome outcome = trained(plans, quick_config("TM"));
  EXPECT_FALSE(outcome.is_converged);
  EXPECT_EQ(outcome.facts.ratio[3], -1);
}

TEST(OpenGaussModels, damaged_files_are_quarantined) {
  test::TemporaryDirectory directory;
  const Models models(directory.path());
  bool is_damaged = true;
  EXPECT_EQ(models.load("db", "m", is_damaged), nullptr);
  EXPECT_FALSE(is_damaged);
  const PlanCsv plans = parsed("1, 1, 0, 1 0 1 , 0, 7, 1, 1\n2, 1, 0, 1 1 1 , 0, 3, 1, 1\n");
  const TrainingOutcome outcome = trained(plans, quick_config("ST"));
  std::vector<std::byte> bytes =
      write_opengauss_model(outcome.facts, outcome.weights, openssl_sha256);
  ASSERT_FALSE(models.save_trained("db", "m", bytes));
  const auto model = models.load("db", "m", is_damaged);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->facts().labels, "ST");
  EXPECT_EQ(models.load("db2", "m", is_damaged), nullptr);
  bytes[bytes.size() / 2] ^= std::byte{1};
  ASSERT_FALSE(models.save_trained("db", "m", bytes));
  EXPECT_EQ(models.load("db", "m", is_damaged), nullptr);
  EXPECT_TRUE(is_damaged);
  EXPECT_EQ(models.load("db", "m", is_damaged), nullptr);
  EXPECT_FALSE(is_damaged);
}

TEST(OpenGaussTrainLog, has_lines_and_events) {
  test::TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "m" / "m_log.json";
  {
    TrainLog log(path, "m", "ST", 250);
    for (int epoch = 1; epoch <= 250; epoch++) {
      log.note({epoch, 1.0 / epoch, {1.5, 2.5}});
    }
    log.finish();
  }
  const auto content = read_file(path, 1 << 20);
  ASSERT_TRUE(content);
  const std::string text(reinterpret_cast<const char*>(content.value().data()),
                         content.value().size());
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
  EXPECT_NE(text.find(" [TRAINING] [MODEL]: m  [Epoch]: 100/250  [Loss]: 0.01\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("[Epoch]: 250/250"), std::string::npos);
  for (int i = 0; i < 20; i++) TrainLog(path, "m" + std::to_string(i), "T", 1).finish();
  size_t events = 0;
  for (const std::string& name : directory_entries(path.parent_path())) {
    events += name.rfind("events.out.tfevents.", 0) == 0;
  }
  EXPECT_GE(events, 1U);
  EXPECT_LE(events, 8U);
}

}  // namespace
}  // namespace predictor::engine::opengauss
