// command_encode.cpp - `predictord encode`: plans that were kept as EXPLAIN's JSON become records.
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/command.h"
#include "engine/files.h"
#include "engine/json_text.h"
#include "engine/trace.h"
#include "plan/codec.h"

namespace predictor::engine {
namespace {

constexpr char kExamples[] =
    "Example:\n"
    "  predictord encode --input plans.jsonl --output plans.bin\n"
    "Each line of the input is what EXPLAIN (ANALYZE, FORMAT JSON) prints for one execution, on "
    "one\n"
    "line. Lines that cannot be used are named on standard error and left out; exit status 1 if "
    "none\n"
    "can. The output is what `predictord train` and PUT /v1/jobs take.";

class EncodeCommand : public Command {
 public:
  void add_options(CLI::App& app) override {
    app.add_option("--input", input_, "file with a plan in JSON on each line")->required();
    app.add_option("--output", output_, "file of records to write")->required();
    app.footer(kExamples);
  }
  int run() override;

 private:
  std::filesystem::path input_, output_;
};

void append(const OwnedRecord& record, std::vector<std::byte>& bytes) {
  const size_t start = bytes.size();
  bytes.resize(start + encoded_size(static_cast<int>(record.nodes.size())));
  bytes.resize(start + encode_record(record.view(), std::span(bytes).subspan(start)));
}

int EncodeCommand::run() {
  const Result<Trace> trace = read_trace(input_);
  if (!trace) return fail(trace.error());
  for (const auto& [reason, lines] : trace.value().rejected) {
    for (size_t line : lines) {
      std::cerr << "predictord: line " << line << ": " << reason << std::endl;
    }
  }
  std::vector<std::byte> bytes(kStreamHeaderSize);
  encode_header(bytes.data());
  for (const TracePlan& plan : trace.value().plans) append(plan.record, bytes);
  const size_t plans = trace.value().plans.size();
  if (plans == 0) return fail(Error{"no_records", "no line of " + input_.string() + " is a plan"});
  if (const Failure failure = write_file(output_, bytes)) return fail(*failure);
  std::cout << json_text({{"lines", trace.value().lines}, {"plans", plans}, {"size", bytes.size()}})
            << std::endl;
  return 0;
}

}  // namespace

std::unique_ptr<Command> make_encode_command() { return std::make_unique<EncodeCommand>(); }

}  // namespace predictor::engine
