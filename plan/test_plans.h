// test_plans.h - plans for the unit tests: a hand-written one and random ones.
#ifndef PREDICTOR_PLAN_TEST_PLANS_H
#define PREDICTOR_PLAN_TEST_PLANS_H

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "plan/codec.h"
#include "plan/operators.h"
#include "plan/signature.h"

namespace predictor::test {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

inline PredictorNode make_node(PredictorOperator op, int parent, PredictorRelationship relationship,
                               double cost, double rows) {
  PredictorNode n;
  predictor_clear_node(&n);
  n.op = op;
  n.parent = parent;
  n.relationship = relationship;
  n.startup_cost = cost / 10;
  n.total_cost = cost;
  n.plan_rows = rows;
  n.plan_width = 16;
  return n;
}

// Nested Loop over a Seq Scan and an Index Scan, under a Sort.
inline OwnedRecord nested_loop_plan() {
  OwnedRecord r;
  predictor_clear_statement(&r.statement);
  r.nodes.push_back(make_node(PREDICTOR_OP_SORT, -1, PREDICTOR_REL_ROOT, 1000, 100));
  r.nodes.push_back(make_node(PREDICTOR_OP_NESTED_LOOP, 0, PREDICTOR_REL_OUTER, 900, 100));
  r.nodes.push_back(make_node(PREDICTOR_OP_SEQ_SCAN, 1, PREDICTOR_REL_OUTER, 100, 50));
  r.nodes.push_back(make_node(PREDICTOR_OP_INDEX_SCAN, 1, PREDICTOR_REL_INNER, 8, 2));
  r.nodes[2].relation = relation_identity("public", "orders");
  r.nodes[3].relation = relation_identity("public", "lineitem");
  r.nodes[3].index = relation_identity("public", "lineitem_pkey");
  r.statement.work_mem = 4096;
  r.statement.command = PREDICTOR_COMMAND_SELECT;
  r.statement.total_time = 12.5;
  PredictorRecord view = r.view();
  sign(view);
  r.statement = view.statement;
  return r;
}

// Any record that the codec accepts: all operators, unknown numbers, huge numbers.
inline OwnedRecord random_plan(std::mt19937& random, int nodes) {
  auto below = [&random](uint32_t n) { return static_cast<int>(random() % n); };
  auto amount = [&]() {
    switch (below(8)) {
      case 0:
        return kNan;
      case 1:
        return 0.0;
      case 2:
        return 1e300;
      default:
        return std::exp(below(200) / 10.0);
    }
  };
  auto small_amount = [&]() { return static_cast<float>(std::min(amount(), 1e30)); };
  OwnedRecord r;
  for (int i = 0; i < nodes; i++) {
    PredictorNode n{};
    n.op = static_cast<uint16_t>(below(PREDICTOR_OPERATOR_COUNT));
    n.relationship = static_cast<uint8_t>(i == 0 ? 0 : 1 + below(PREDICTOR_REL_SUBQUERY));
    n.join_type = static_cast<uint8_t>(below(PREDICTOR_JOIN_RIGHT_SEMI + 1));
    n.strategy = static_cast<uint8_t>(below(PREDICTOR_STRATEGY_MIXED + 1));
    n.partial_mode = static_cast<uint8_t>(below(PREDICTOR_PARTIAL_FINALIZE + 1));
    n.command = static_cast<uint8_t>(below(PREDICTOR_COMMAND_LAST + 1));
    n.clauses = static_cast<uint8_t>(below(256));
    n.flags = static_cast<uint16_t>(below(65536));
    n.sort_keys = static_cast<uint16_t>(below(5));
    n.parent = i == 0 ? -1 : i - 1 - below(static_cast<uint32_t>(std::min(i, 3)));
    n.relation = random();
    n.index = below(2) ? random() : 0;
    n.predicate = below(2) ? random() : 0;
    n.selection = random();
    n.links = random();
    n.coarse = random();
    n.constants = below(2) ? random() : 0;
    for (double* x :
         {&n.startup_cost, &n.total_cost, &n.plan_rows, &n.relation_pages, &n.relation_tuples,
          &n.actual_startup, &n.actual_total, &n.actual_rows, &n.actual_loops, &n.actual_memory})
      *x = amount();
    n.plan_width = below(2000);
    n.workers_planned = below(9);
    n.planned_batches = 1 << below(10);
    n.index_height = static_cast<uint8_t>(below(6));
    n.text_hashes = PREDICTOR_NODE_HAS_TEXT_HASHES | (n.links & 0xffffff);
    for (float* x :
         {&n.selectivity, &n.all_visible, &n.index_pages, &n.actual_wall, &n.actual_removed,
          &n.actual_rechecked, &n.actual_hit, &n.actual_read, &n.actual_temp, &n.actual_disk})
      *x = small_amount();
    n.actual_batches = below(64);
    n.workers_launched = static_cast<uint16_t>(below(9));
    r.nodes.push_back(n);
  }
  r.statement.query_id = random();
  r.statement.key_id = below(3);
  r.statement.finished_at = random();
  r.statement.total_time = amount();
  r.statement.planning_time = amount();
  r.statement.work_mem = below(1 << 20);
  r.statement.command = static_cast<uint8_t>(below(PREDICTOR_COMMAND_MERGE + 1));
  r.statement.instrumentation = static_cast<uint8_t>(below(3));
  r.statement.flags = static_cast<uint16_t>(below(512));
  PredictorStatement& s = r.statement;
  for (float* x : {&s.hash_mem_multiplier, &s.random_page_cost, &s.seq_page_cost,
                   &s.effective_cache, &s.hit_share, &s.jit_time, &s.trigger_time,
                   &s.predicted_total, &s.predicted_low, &s.predicted_high})
    *x = small_amount();
  s.switches = static_cast<uint32_t>(random());
  s.parallel_workers = static_cast<uint16_t>(below(9));
  s.active_backends = static_cast<uint16_t>(below(200));
  s.predicted_version = below(100);
  s.predicted_model = random();
  s.predicted_source = static_cast<uint8_t>(below(3));
  if (s.instrumentation == PREDICTOR_INSTRUMENT_NONE)
    for (PredictorNode& n : r.nodes) predictor_clear_actuals(&n);
  PredictorRecord view = r.view();
  sign(view);
  r.statement = view.statement;
  return r;
}

}  // namespace predictor::test

#endif
