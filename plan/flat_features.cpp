#include "plan/flat_features.h"

#include <algorithm>
#include <cmath>

#include "plan/log_numbers.h"

namespace predictor {
namespace {

enum StatementFeature : int {
  kLogCost,
  kLogStartup,
  kLogRootRows,
  kLogRootWidth,
  kNodes,
  kDepth,
  kJoins,
  kScans,
  kRelations,  // scans of different relations
  kWorkers,
  kWorkMemory,
  kJitOn,
  kJitOptimizes,
  kJitInlines,
  kCommand,
  kLogAllWork,     // of all nodes
  kLogMostWork,    // of one node
  kLogWorkShare,   // of that node in all
  kLogTuples,      // rows * loops of all nodes
  kLogMostTuples,  // of one node
  kLogJoinTuples,  // of all joins
  kLogMostJoinRows,
  kSumLogJoinRows,
  kLeastSelectivity,  // of a join: ln(rows / (outer rows * inner rows))
  kSumSelectivity,
  kJoinsOfOneRow,
  kNodesOfOneRow,
  kLogMostLoops,
  kLogNestedTuples,  // rows of inner sides of nested loops, over all loops
  kLogMostHashed,    // rows of a hash table
  kLogHashed,
  kMostPressure,  // ln(bytes kept / work_mem) of the node that keeps most
  kClauses,
  kSortKeys,
  kUniqueInner,
  kBushyJoins,   // joins whose inner side holds a join
  kNestedDepth,  // nested loops on one path
  kLogGathered,  // work below Gathers
  kStatementFeatures
};

enum OperatorFeature : int {
  kOpCount,
  kOpLogCost,
  kOpLogTuples,
  kOpLogMostRows,
  kOperatorFeatures
};

enum JoinFeature : int {
  kJoinMethod,
  kJoinLogRows,
  kJoinLogOuter,
  kJoinLogInner,
  kJoinLogLoops,
  kJoinLogCost,
  kJoinFeatures
};
constexpr int kTopJoins = 6, kBottomJoins = 4;

enum RelationFeature : int {
  kRelationCount,
  kRelationLogRows,
  kRelationLogLoops,
  kRelationLogCost,
  kRelationDepth,
  kRelationMethod,
  kRelationFeatures
};

constexpr int kOperatorBlock = kStatementFeatures;
constexpr int kJoinBlock = kOperatorBlock + PREDICTOR_OPERATOR_COUNT * kOperatorFeatures;
constexpr int kRelationBlock = kJoinBlock + (kTopJoins + kBottomJoins) * kJoinFeatures;

float join_method(int op) {
  return static_cast<float>(op == PREDICTOR_OP_NESTED_LOOP  ? 1
                            : op == PREDICTOR_OP_MERGE_JOIN ? 2
                                                            : 3);
}

bool keeps_rows(const PredictorNode& n) {
  return n.op == PREDICTOR_OP_HASH || n.op == PREDICTOR_OP_SORT ||
         n.op == PREDICTOR_OP_MATERIALIZE || n.op == PREDICTOR_OP_MEMOIZE ||
         (n.op == PREDICTOR_OP_AGGREGATE && n.strategy >= PREDICTOR_STRATEGY_HASHED);
}

// Position of the identity, or -1.
int place_of(uint64_t identity, const uint64_t* sorted, uint32_t count) {
  const uint64_t* end = sorted + count;
  const uint64_t* found = std::lower_bound(sorted, end, identity);
  return found != end && *found == identity ? static_cast<int>(found - sorted) : -1;
}

class FlatEncoder {
 public:
  FlatEncoder(const FlatInput& in, const FlatVocabulary& vocabulary, float* out)
      : in_(in), vocabulary_(vocabulary), out_(out) {}

  void encode() {
    std::fill(out_, out_ + flat_feature_count(vocabulary_), 0.0f);
    const int nodes = in_.record.node_count;
    for (int i = 0; i < nodes; i++) add_node(i);
    // The deepest join comes last in pre-order.
    for (int i = nodes - 1, filled = 0; i >= 0 && filled < kBottomJoins; i--)
      if (is_join(in_.record.nodes[i].op)) put_join(i, kTopJoins + filled++, logs_of(i));
    put_statement();
    for (int op = 0; op < PREDICTOR_OPERATOR_COUNT; op++) {
      float* x = out_ + kOperatorBlock + op * kOperatorFeatures;
      if (x[kOpCount] == 0) continue;
      x[kOpLogCost] = log1(x[kOpLogCost]);
      x[kOpLogTuples] = log1(x[kOpLogTuples]);
      x[kOpLogMostRows] = log1(x[kOpLogMostRows]);
    }
    for (uint32_t r = 0; r < vocabulary_.relation_count; r++) {
      float* x = out_ + kRelationBlock + static_cast<int>(r) * kRelationFeatures;
      x[kRelationLogCost] = log1(x[kRelationLogCost]);
    }
  }

 private:
  static double corrected(double x, const float* factor, int i) {
    return factor == nullptr ? x : known(x * factor[i]);
  }
  double rows(int i) const {
    return i < 0 ? 0 : corrected(known(in_.record.nodes[i].plan_rows), in_.rows_factor, i);
  }
  double loops(int i) const {
    return std::max(1.0, corrected(in_.places[i].loops, in_.loops_factor, i));
  }
  double tuples(int i) const { return known(rows(i) * loops(i)); }

  double work(int i) const {
    const NodePlace& place = in_.places[i];
    return known(place.work * loops(i) * place.fraction);
  }
  double own_cost(int i) const {
    return known(std::max(0.0, known(in_.record.nodes[i].total_cost) - in_.places[i].child_cost) *
                 loops(i));
  }

  void raise(int feature, float x) { out_[feature] = std::max(out_[feature], x); }

  void add_node(int i) {
    const PredictorNode& n = in_.record.nodes[i];
    const NodePlace& place = in_.places[i];
    const double all = tuples(i), own = work(i), r = rows(i);
    all_work_ += own;
    most_work_ = std::max(most_work_, own);
    all_tuples_ += all;
    if (place.workers_above > 0) gathered_ += own;
    most_tuples_ = std::max(most_tuples_, all);
    most_loops_ = std::max(most_loops_, loops(i));
    raise(kDepth, static_cast<float>(place.depth));
    raise(kWorkers, static_cast<float>(n.workers_planned));
    out_[kClauses] += n.clauses;
    out_[kSortKeys] += n.sort_keys;
    out_[kNodesOfOneRow] += r <= 1;
    float* op =
        out_ + kOperatorBlock + (n.op < PREDICTOR_OPERATOR_COUNT ? n.op : 0) * kOperatorFeatures;
    op[kOpCount]++;
    op[kOpLogCost] += static_cast<float>(own_cost(i));
    op[kOpLogTuples] += static_cast<float>(all);
    op[kOpLogMostRows] = std::max(op[kOpLogMostRows], static_cast<float>(r));
    if (n.op == PREDICTOR_OP_HASH) {
      hashed_ += r;
      most_hashed_ = std::max(most_hashed_, r);
    }
    if (keeps_rows(n) && in_.record.statement.work_mem > 0)
      most_pressure_ = std::max(most_pressure_, r * (known(n.plan_width) + 24) / 1024 /
                                                    in_.record.statement.work_mem * 100);
    if (is_join(n.op)) add_join(i);
    if (n.relation != 0) add_relation(i);
    if (n.predicate != 0) {
      const int at = place_of(n.predicate, vocabulary_.predicates, vocabulary_.predicate_count);
      if (at >= 0)
        out_[kRelationBlock + static_cast<int>(vocabulary_.relation_count) * kRelationFeatures +
             at] = 1 + log1(all);
    }
  }

  void add_join(int i) {
    const PredictorNode& n = in_.record.nodes[i];
    const NodePlace& place = in_.places[i];
    const JoinLogs logs = logs_of(i);
    if (joins_ < kTopJoins) put_join(i, joins_, logs);
    joins_++;
    const float log_rows = logs.rows;
    const float selectivity = log_rows - logs.outer - logs.inner;
    join_tuples_ += tuples(i);
    raise(kLogMostJoinRows, log_rows);
    out_[kSumLogJoinRows] += log_rows;
    out_[kLeastSelectivity] = std::min(out_[kLeastSelectivity], selectivity);
    out_[kSumSelectivity] += selectivity;
    out_[kJoinsOfOneRow] += rows(i) <= 1;
    out_[kUniqueInner] += (n.flags & PREDICTOR_NODE_INNER_UNIQUE) != 0;
    if (place.inner >= 0) {
      if (n.op == PREDICTOR_OP_NESTED_LOOP) nested_tuples_ += tuples(place.inner);
      if (in_.places[place.inner].nodes_below > 2) out_[kBushyJoins]++;
    }
    if (n.op == PREDICTOR_OP_NESTED_LOOP) out_[kNestedDepth]++;
  }

  struct JoinLogs {
    float rows, outer, inner;
  };
  JoinLogs logs_of(int i) const {
    const NodePlace& place = in_.places[i];
    return {log1(rows(i)), log1(rows(place.outer)), log1(rows(place.inner))};
  }

  void put_join(int i, int slot, const JoinLogs& logs) {
    float* x = out_ + kJoinBlock + slot * kJoinFeatures;
    x[kJoinMethod] = join_method(in_.record.nodes[i].op);
    x[kJoinLogRows] = logs.rows;
    x[kJoinLogOuter] = logs.outer;
    x[kJoinLogInner] = logs.inner;
    x[kJoinLogLoops] = log1(loops(i));
    x[kJoinLogCost] = log1(own_cost(i));
  }

  void add_relation(int i) {
    const PredictorNode& n = in_.record.nodes[i];
    scans_++;
    const int at = place_of(n.relation, vocabulary_.relations, vocabulary_.relation_count);
    if (at < 0) return;
    float* x = out_ + kRelationBlock + at * kRelationFeatures;
    if (x[kRelationCount] == 0) out_[kRelations]++;
    x[kRelationCount]++;
    x[kRelationLogRows] = std::max(x[kRelationLogRows], 1 + log1(rows(i)));
    x[kRelationLogLoops] = std::max(x[kRelationLogLoops], log1(loops(i)));
    x[kRelationLogCost] += static_cast<float>(own_cost(i));
    x[kRelationDepth] = std::max(x[kRelationDepth], static_cast<float>(in_.places[i].depth));
    x[kRelationMethod] = std::max(x[kRelationMethod], static_cast<float>(n.op));
  }

  void put_statement() {
    const PredictorNode& root = in_.record.nodes[0];
    const PredictorStatement& s = in_.record.statement;
    out_[kLogCost] = log1(root.total_cost);
    out_[kLogStartup] = log1(root.startup_cost);
    out_[kLogRootRows] = log1(rows(0));
    out_[kLogRootWidth] = log1(root.plan_width);
    out_[kNodes] = static_cast<float>(in_.record.node_count);
    out_[kJoins] = static_cast<float>(joins_);
    out_[kScans] = static_cast<float>(scans_);
    out_[kWorkMemory] = log1(s.work_mem);
    out_[kJitOn] = (s.flags & PREDICTOR_STATEMENT_JIT) != 0;
    out_[kJitOptimizes] = (s.flags & PREDICTOR_STATEMENT_JIT_OPTIMIZE) != 0;
    out_[kJitInlines] = (s.flags & PREDICTOR_STATEMENT_JIT_INLINE) != 0;
    out_[kCommand] = s.command;
    out_[kLogAllWork] = log1(all_work_);
    out_[kLogMostWork] = log1(most_work_);
    out_[kLogWorkShare] = out_[kLogMostWork] - out_[kLogAllWork];
    out_[kLogTuples] = log1(all_tuples_);
    out_[kLogMostTuples] = log1(most_tuples_);
    out_[kLogMostLoops] = log1(most_loops_);
    out_[kLogMostHashed] = log1(most_hashed_);
    out_[kMostPressure] = log1(most_pressure_);
    out_[kLogJoinTuples] = log1(join_tuples_);
    out_[kLogNestedTuples] = log1(nested_tuples_);
    out_[kLogHashed] = log1(hashed_);
    out_[kLogGathered] = log1(gathered_);
  }

  const FlatInput& in_;
  const FlatVocabulary& vocabulary_;
  float* out_;
  int joins_ = 0, scans_ = 0;
  double all_work_ = 0, most_work_ = 0, all_tuples_ = 0, join_tuples_ = 0, nested_tuples_ = 0,
         hashed_ = 0, gathered_ = 0, most_tuples_ = 0, most_loops_ = 0, most_hashed_ = 0,
         most_pressure_ = 0;
};

}  // namespace

int flat_feature_count(const FlatVocabulary& vocabulary) {
  return kRelationBlock + static_cast<int>(vocabulary.relation_count) * kRelationFeatures +
         static_cast<int>(vocabulary.predicate_count);
}

void write_flat_vocabulary(const FlatContent& content, SectionWriter& out) {
  out.put(static_cast<uint32_t>(content.relations.size()));
  out.put(static_cast<uint32_t>(content.predicates.size()));
  out.put_array(std::span<const uint64_t>(content.relations));
  out.put_array(std::span<const uint64_t>(content.predicates));
}

bool read_flat_vocabulary(SectionReader& in, FlatVocabulary& vocabulary) {
  vocabulary.relation_count = in.get<uint32_t>();
  vocabulary.predicate_count = in.get<uint32_t>();
  if (vocabulary.relation_count > kMostFlatRelations ||
      vocabulary.predicate_count > kMostFlatPredicates)
    return false;
  vocabulary.relations = in.get_array<uint64_t>(vocabulary.relation_count);
  vocabulary.predicates = in.get_array<uint64_t>(vocabulary.predicate_count);
  return in.ok();
}

void encode_flat(const FlatInput& input, const FlatVocabulary& vocabulary, float* out) {
  FlatEncoder(input, vocabulary, out).encode();
}

}  // namespace predictor
