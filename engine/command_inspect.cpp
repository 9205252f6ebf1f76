// command_inspect.cpp - `predictord inspect`: what is in a file, verified as the server would.
#include <CLI/CLI.hpp>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/command.h"
#include "engine/files.h"
#include "engine/json_text.h"
#include "engine/model/model.h"
#include "engine/record_stream.h"
#include "engine/sha256.h"
#include "engine/text.h"
#include "plan/predict.h"

namespace predictor::engine {
namespace {

using nlohmann::json;

constexpr char kExamples[] =
    "Examples:\n"
    "  predictord inspect model.bundle\n"
    "  predictord inspect plans.bin\n"
    "Prints JSON; exit status 1 if the file is neither a bundle nor records, or is damaged.";

constexpr std::string_view kRecordsMagic = "PGPREDRC";

// NaN is not known.
json number_or_null(double number) { return std::isfinite(number) ? json(number) : json(); }

Result<json> inspect_bundle(const std::vector<std::byte>& bytes) {
  Model model;
  const BundleStatus status = model.open(bytes, openssl_sha256);
  if (status != BundleStatus::kOk) {
    return Error{"bad_bundle",
                 std::string("this is no usable bundle: ") + bundle_status_text(status)};
  }
  const BundleInfo& info = model.info();
  const Calibration& calibration = model.calibration();
  return json{{"kind", "bundle"},
              {"format", kBundleVersion},
              {"size", bytes.size()},
              {"sha256", sha256_hex(bytes)},
              {"canary", "answered"},
              {"template", printable(info.template_name)},
              {"feature_version", info.feature_version},
              {"plans", info.plans},
              {"skipped", info.skipped},
              {"epochs", info.epochs},
              {"seed", info.seed},
              {"cost_intercept", number_or_null(calibration.cost.intercept)},
              {"cost_slope", number_or_null(calibration.cost.slope)},
              {"key_id", calibration.key_id}};
}

Result<json> inspect_records(const std::vector<std::byte>& bytes) {
  uint64_t nodes = 0, largest = 0, executed = 0, timed_out = 0;
  RecordStream stream([&](OwnedRecord& record) {
    nodes += record.nodes.size();
    largest = std::max<uint64_t>(largest, record.nodes.size());
    executed += std::isfinite(record.statement.total_time);
    timed_out += (record.statement.flags & PREDICTOR_STATEMENT_TIMED_OUT) != 0;
  });
  Failure failure = stream.feed(bytes);
  if (!failure) failure = stream.finish();
  if (failure) return *failure;
  return json{{"kind", "records"},           {"codec", kCodecVersion},    {"size", bytes.size()},
              {"sha256", sha256_hex(bytes)}, {"plans", stream.records()}, {"nodes", nodes},
              {"largest_plan", largest},     {"executed", executed},      {"timed_out", timed_out}};
}

class InspectCommand : public Command {
 public:
  void add_options(CLI::App& app) override {
    app.add_option("file", path_, "a bundle, or records as the codec writes them")->required();
    app.footer(kExamples);
  }
  int run() override {
    const Result<std::vector<std::byte>> bytes = read_file(path_, kMostBytes);
    if (!bytes) return fail(bytes.error());
    const std::string_view start(reinterpret_cast<const char*>(bytes.value().data()),
                                 std::min(bytes.value().size(), kRecordsMagic.size()));
    const Result<json> facts =
        start == kRecordsMagic ? inspect_records(bytes.value()) : inspect_bundle(bytes.value());
    if (!facts) return fail(facts.error());
    std::cout << facts.value().dump(2) << std::endl;
    return 0;
  }

 private:
  static constexpr size_t kMostBytes = size_t{4} << 30;
  std::filesystem::path path_;
};

}  // namespace

std::unique_ptr<Command> make_inspect_command() { return std::make_unique<InspectCommand>(); }

}  // namespace predictor::engine
