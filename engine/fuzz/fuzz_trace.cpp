// Any text as what EXPLAIN (FORMAT JSON) prints, alone and as the body of a prediction: whatever is
// read must be a record that the codec takes.
#include <cstdlib>
#include <string_view>

#include "engine/prediction.h"
#include "plan/explain_json.h"

using namespace predictor;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ExplainedPlan plan;
  read_explain_json({reinterpret_cast<const char*>(data), size}, plan);
  const auto plans =
      engine::read_plans(engine::kJsonType, {reinterpret_cast<const std::byte*>(data), size}, 10);
  if (!plans) return 0;
  for (const OwnedRecord& record : plans.value()) {
    std::vector<std::byte> bytes(encoded_size(static_cast<int>(record.nodes.size())));
    if (encode_record(record.view(), bytes) == 0) std::abort();
    OwnedRecord again;
    size_t consumed = 0;
    if (decode_owned(bytes, again, consumed) != DecodeStatus::kOk) std::abort();
  }
  return 0;
}
