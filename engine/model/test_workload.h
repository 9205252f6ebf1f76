// test_workload.h - executions of made-up queries whose times follow a law that the planner's cost
// gets wrong in a way that can be learned. For the unit tests of training.
#ifndef PREDICTOR_ENGINE_MODEL_TEST_WORKLOAD_H
#define PREDICTOR_ENGINE_MODEL_TEST_WORKLOAD_H

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "plan/codec.h"
#include "plan/operators.h"
#include "plan/signature.h"
#include "plan/siphash.h"

namespace predictor::engine::test {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// One template: a Sort or Aggregate over a hash join of two tables, of which the planner thinks
// `misjudged` times too few rows come.
class Workload {
 public:
  explicit Workload(uint32_t seed) : random_(seed) {}

  OwnedRecord execute(int query, bool timers) {
    std::mt19937 shape(static_cast<uint32_t>(query) * 7919 + 1);
    const double tuples = std::exp2(10 + shape() % 8), other = std::exp2(6 + shape() % 6);
    const double misjudged = std::exp(static_cast<double>(shape() % 5));
    const bool sorted = shape() % 2 != 0;
    const double selectivity = 0.02 + 0.9 * uniform();
    OwnedRecord r;
    double planned = tuples * selectivity / misjudged, rows = tuples * selectivity;
    add(r, sorted ? PREDICTOR_OP_SORT : PREDICTOR_OP_AGGREGATE, -1, planned, rows,
        sorted ? 4e-4 * rows * std::log2(2 + rows) / 10 : 2e-4 * rows, 0);
    add(r, PREDICTOR_OP_HASH_JOIN, 0, planned, rows, 3e-4 * rows, 0);
    add(r, PREDICTOR_OP_SEQ_SCAN, 1, planned, rows, 1e-4 * tuples, 1 + query % 5);
    add(r, PREDICTOR_OP_HASH, 1, other, other, 2e-4 * other, 0);
    add(r, PREDICTOR_OP_SEQ_SCAN, 3, other, other, 1e-4 * other, 11 + query % 3);
    r.nodes[3].relationship = PREDICTOR_REL_INNER;
    r.nodes[2].relation_tuples = tuples;
    r.nodes[2].predicate = 1000 + static_cast<uint64_t>(query);
    r.nodes[2].constants = random_();
    r.nodes[2].clauses = 1;
    finish(r, query, timers);
    return r;
  }

  std::vector<OwnedRecord> run(int queries, int executions, bool half_timed = true) {
    std::vector<OwnedRecord> records;
    for (int e = 0; e < executions; e++)
      for (int q = 0; q < queries; q++) records.push_back(execute(q, half_timed && e % 2 == 0));
    return records;
  }

 private:
  double uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  // `own_ms` is the node's own time, as yet in actual_total.
  static void add(OwnedRecord& r, PredictorOperator op, int parent, double planned, double rows,
                  double own_ms, uint64_t relation) {
    PredictorNode n{};
    n.op = op;
    n.parent = parent;
    n.relationship = parent < 0 ? PREDICTOR_REL_ROOT : PREDICTOR_REL_OUTER;
    n.plan_rows = std::max(1.0, std::round(planned));
    n.actual_rows = std::max(1.0, std::round(rows));
    n.plan_width = 8;
    n.relation = relation;
    n.relation_pages = n.relation_tuples = kNan;
    n.actual_total = own_ms + 0.001;
    n.actual_memory = kNan;
    n.actual_loops = 1;
    r.nodes.push_back(n);
  }

  void finish(OwnedRecord& r, int query, bool timers) {
    for (size_t i = r.nodes.size(); i-- > 0;) {
      PredictorNode& n = r.nodes[i];
      double own_cost = 0.01 * n.plan_rows;
      if (n.op == PREDICTOR_OP_SEQ_SCAN && n.relation_tuples > 0)
        own_cost += 0.01 * n.relation_tuples;
      n.total_cost += own_cost;
      n.startup_cost = n.total_cost / 2;
      n.actual_total *= 0.97 + 0.06 * uniform();
      if (i > 0) {
        r.nodes[n.parent].total_cost += n.total_cost;
        r.nodes[n.parent].actual_total += n.actual_total;
      }
    }
    const double inflation = timers ? 1.3 : 1.0;
    for (PredictorNode& n : r.nodes) {
      n.flags |= PREDICTOR_NODE_HAS_ROWS;
      if (timers) n.flags |= PREDICTOR_NODE_HAS_TIME;
      n.actual_total *= inflation;
      n.actual_startup = n.actual_total / 2;
      if (timers && n.op == PREDICTOR_OP_SORT) {
        n.actual_memory = 25 + n.actual_rows * 32 / 1024;
        n.flags |= PREDICTOR_NODE_HAS_MEMORY;
      }
    }
    PredictorStatement& s = r.statement;
    s.query_id = static_cast<uint64_t>(query) + 1;
    s.key_id = kPublicKeyId;
    s.work_mem = 4096;
    s.command = PREDICTOR_COMMAND_SELECT;
    s.planning_time = kNan;
    s.total_time = r.nodes[0].actual_total + 0.01;
    s.instrumentation = timers ? PREDICTOR_INSTRUMENT_TIMERS : PREDICTOR_INSTRUMENT_ROWS;
    PredictorRecord view = r.view();
    sign(view);
    s = view.statement;
  }

  std::mt19937 random_;
};

}  // namespace predictor::engine::test

#endif
