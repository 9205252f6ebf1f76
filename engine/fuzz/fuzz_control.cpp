// Request targets (the first line), and JSON as job files and workers hold it (the rest). What was
// read as a job must be the same job when it is written and read again.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/api_request.h"
#include "engine/job.h"
#include "engine/json_text.h"
#include "engine/training_json.h"

using namespace predictor::engine;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t newline = text.find('\n');
  const Result<ApiRequest> request = ApiRequest::parse(text.substr(0, newline));
  if (request) {
    uint64_t number = 0;
    for (const auto& [name, value] : request.value().query) read_number(name, value, 1, 9, number);
  }
  if (newline == std::string::npos) return 0;
  const auto object = nlohmann::json::parse(text.substr(newline + 1), nullptr, false);
  progress_from_json(object);
  if (!object.is_object()) return 0;
  json_text(result_to_json(result_from_json(object)));
  const std::optional<Job> job = job_from_json(object);
  if (!job) return 0;
  const std::string written = json_text(job_to_json(*job));
  const std::optional<Job> again = job_from_json(nlohmann::json::parse(written));
  if (!again || json_text(job_to_json(*again)) != written) std::abort();
  return 0;
}
