#include "plan/plan_record.h"

#include <limits>

namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

}  // namespace

void predictor_clear_actuals(PredictorNode* node) {
  PredictorNode& n = *node;
  n.flags &= static_cast<uint16_t>(~PREDICTOR_NODE_ACTUAL_FLAGS);
  n.actual_startup = n.actual_total = n.actual_rows = n.actual_loops = n.actual_memory = kUnknown;
  n.actual_wall = n.actual_removed = n.actual_rechecked = kUnknown;
  n.actual_hit = n.actual_read = n.actual_temp = n.actual_disk = kUnknown;
  n.actual_batches = 0;
  n.workers_launched = 0;
}

void predictor_clear_node(PredictorNode* node) {
  PredictorNode& n = *node;
  n = {};
  n.parent = -1;
  n.relation_pages = n.relation_tuples = kUnknown;
  n.selectivity = n.all_visible = n.index_pages = kUnknown;
  predictor_clear_actuals(node);
}

void predictor_clear_statement(PredictorStatement* statement) {
  PredictorStatement& s = *statement;
  s = {};
  s.total_time = s.planning_time = kUnknown;
  s.hash_mem_multiplier = s.random_page_cost = s.seq_page_cost = s.effective_cache = kUnknown;
  s.hit_share = s.jit_time = s.trigger_time = kUnknown;
  s.predicted_total = s.predicted_low = s.predicted_high = kUnknown;
}
