// Writes what the fuzz targets start from: make_seeds DIRECTORY makes DIRECTORY/TARGET/NAME.
#include <filesystem>
#include <fstream>
#include <string>

#include "plan/codec.h"
#include "plan/test_model.h"
#include "plan/test_plans.h"

using namespace predictor;

namespace {

std::filesystem::path root;

void write(const std::string& target, const std::string& name, const std::string& content) {
  std::filesystem::create_directories(root / target);
  std::ofstream(root / target / name, std::ios::binary) << content;
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string stream_of(int count) {
  std::vector<std::byte> bytes(kStreamHeaderSize);
  encode_header(bytes.data());
  for (int i = 0; i < count; i++) {
    const OwnedRecord plan = test::nested_loop_plan();
    const size_t start = bytes.size();
    bytes.resize(start + encoded_size(static_cast<int>(plan.nodes.size())));
    bytes.resize(start + encode_record(plan.view(), std::span(bytes).subspan(start)));
  }
  return text_of(bytes);
}

constexpr char kPlan[] = R"json({"Plan":{"Node Type":"Hash Join","Join Type":"Inner",
"Startup Cost":1.5,"Total Cost":42.25,"Plan Rows":1000,"Plan Width":8,"Actual Startup Time":0.2,
"Actual Total Time":1.9,"Actual Rows":987,"Actual Loops":1,"Inner Unique":true,
"Hash Cond":"(a.x = b.y)","Plans":[{"Node Type":"Seq Scan","Parent Relationship":"Outer",
"Relation Name":"a","Alias":"a","Filter":"((v > 7) AND (t = 'x''y'::text))","Startup Cost":0,
"Total Cost":20,"Plan Rows":1000,"Plan Width":4},{"Node Type":"Hash","Parent Relationship":"Inner",
"Startup Cost":1,"Total Cost":1,"Plan Rows":10,"Plan Width":4,"Peak Memory Usage":9,"Plans":[
{"Node Type":"Index Scan","Relation Name":"b","Index Name":"b_i","Parent Relationship":"Outer",
"Index Cond":"(y = ANY ('{1,2}'::integer[]))","Startup Cost":0,"Total Cost":1,"Plan Rows":10,
"Plan Width":4}]}]},"Execution Time":2.25,"Planning Time":0.1,"Group":"g","Database":"d",
"Timed Out":true})json";

constexpr char kJob[] = R"json({"job":"9c0c6e4e-0f0c-4f0e-8a53-f7a6f2f4f8a1","namespace":"sales",
"model":"0d5b5b4e-6a1c-4a54-9d43-0d4b8f1c2a77","version":1,"template":"tree","seed":7,
"max_epochs_asked":0,"records":500,"state":"done","submitted_at":1795405038688,"started_at":1,
"records_sha256":"0000000000000000000000000000000000000000000000000000000000000000",
"finished_at":2,"attempts":1,"device":"cpu","phase":"training","epoch":12,"max_epochs":200,
"loss":0.163,"validation_q50":1.156,"plans":500,"skipped":0,"epochs":12,"seconds":1.5,
"coverage":0.9,"validation":{"q50":1.1,"q90":2,"q95":3,"q99":4,"mean":1.5,"max":9,"count":60},
"baseline":{"q50":2},"bundle":{"size":9,"sha256":"00"},
"error":{"code":"training_failed","message":"m"}})json";

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  root = argv[1];
  for (int count : {0, 1, 3}) {
    write("codec", "stream" + std::to_string(count), std::string("\x20\0", 2) + stream_of(count));
  }
  write("bundle", "network", text_of(test::make_bundle(true)));
  write("bundle", "cost", text_of(test::make_bundle(false)));
  write("trace", "plan", kPlan);
  write("trace", "list", "[" + std::string(kPlan) + "," + kPlan + "]");
  write("control", "job", std::string("/v1/jobs/x?model=%20&version=1\n") + kJob);
  write("control", "target", "/v1/models/a/1/bundle?namespace=sales&seed=18446744073709551615");
  return 0;
}
