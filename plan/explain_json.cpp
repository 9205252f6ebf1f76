#include "plan/explain_json.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <limits>

#include "plan/explain_node.h"
#include "plan/operators.h"
#include "plan/partial.h"
#include "plan/settings.h"
#include "plan/signature.h"

namespace predictor {
namespace {

constexpr int kMaxDepth = 500;  // of nested plans; PostgreSQL's own stack allows fewer

struct Switch {
  std::string_view name;
  unsigned bit;
  bool on_by_default;
};

constexpr Switch kSwitches[] = {
#define X(bit, name, on_by_default, version) {#name, bit, on_by_default},
    PREDICTOR_SWITCHES(X)
#undef X
};

const Json* object_of(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_object() ? &*found : nullptr;
}

// "64MB", "8GB", "4096": the amount in kB, or NaN.
double kilobytes(std::string_view text) {
  std::string number(text);
  char* unit = nullptr;
  double value = std::strtod(number.c_str(), &unit);
  if (unit == number.c_str() || !(value >= 0)) return std::numeric_limits<double>::quiet_NaN();
  std::string_view suffix(unit);
  if (suffix == "TB") return value * 1024 * 1024 * 1024;
  if (suffix == "GB") return value * 1024 * 1024;
  if (suffix == "MB") return value * 1024;
  return value;
}

class Reader {
 public:
  Reader(ExplainedPlan& out, const HashingKey& key) : out_(out), key_(key) {}

  ExplainStatus read(const Json& top) {
    const Json* plan = object_of(top, "Plan");
    if (plan == nullptr) return ExplainStatus::kNoPlan;
    read_node(*plan, -1, 0);
    if (!out_.record.nodes.empty()) read_statement(top);
    if (status_ == ExplainStatus::kOk && bad_number_) status_ = ExplainStatus::kBadNumber;
    if (status_ != ExplainStatus::kOk) return status_;
    mark_partial();
    PredictorRecord view = out_.record.view();
    sign(view);
    out_.record.statement = view.statement;
    return ExplainStatus::kOk;
  }

 private:
  void fail(ExplainStatus status) {
    if (status_ == ExplainStatus::kOk) status_ = status;
  }

  void read_node(const Json& json, int parent, int depth) {
    if (text_of(json, "Node Type").empty()) fail(ExplainStatus::kNoPlan);
    if (out_.record.nodes.size() >= PREDICTOR_MAX_NODES || depth > kMaxDepth)
      fail(ExplainStatus::kTooManyNodes);
    if (status_ != ExplainStatus::kOk) return;
    const int self = static_cast<int>(out_.record.nodes.size());
    PredictorNode n;
    predictor_clear_node(&n);
    n.parent = parent;
    read_explained_node(json, key_.key, n, bad_number_);
    if (n.op == PREDICTOR_OP_UNKNOWN) out_.unknown_nodes++;
    out_.record.nodes.push_back(n);
    auto children = json.find("Plans");
    if (children == json.end() || !children->is_array()) return;
    for (const Json& child : *children)
      if (child.is_object()) read_node(child, self, depth + 1);
  }

  void read_statement(const Json& top) {
    PredictorStatement& s = out_.record.statement;
    predictor_clear_statement(&s);
    s.total_time = amount_of(top, "Execution Time", bad_number_);
    // auto_explain's log has the time beside the plan; the plan's own is nearly the same.
    const PredictorNode& root = out_.record.nodes.front();
    if (std::isnan(s.total_time) && (root.flags & PREDICTOR_NODE_HAS_TIME) != 0)
      s.total_time = root.actual_total * root.actual_loops;
    s.planning_time = amount_of(top, "Planning Time", bad_number_);
    s.key_id = key_.id;
    if (auto id = top.find("Query Identifier"); id != top.end() && id->is_number_integer())
      s.query_id = static_cast<uint64_t>(id->get<int64_t>());
    if (is_true(top, "Timed Out")) s.flags |= PREDICTOR_STATEMENT_TIMED_OUT;
    read_settings(top);
    read_jit(top);
    read_triggers(top);
    read_summary();
    out_.group = text_of(top, "Group");
    out_.database = text_of(top, "Database");
  }

  // What the nodes say of the whole.
  void read_summary() {
    PredictorStatement& s = out_.record.statement;
    s.command = PREDICTOR_COMMAND_SELECT;
    for (const PredictorNode& n : out_.record.nodes) {
      if (n.op == PREDICTOR_OP_MODIFY_TABLE) s.command = n.command;
      if (n.flags & PREDICTOR_NODE_HAS_TIME)
        s.instrumentation = PREDICTOR_INSTRUMENT_TIMERS;
      else if (n.flags & PREDICTOR_NODE_HAS_ROWS && s.instrumentation == PREDICTOR_INSTRUMENT_NONE)
        s.instrumentation = PREDICTOR_INSTRUMENT_ROWS;
    }
  }

  // EXPLAIN (SETTINGS) prints what is not at its default.
  void read_settings(const Json& top) {
    PredictorStatement& s = out_.record.statement;
    s.work_mem = 4096;  // PostgreSQL's defaults, where the text does not say
    s.parallel_workers = 2;
    const Json* settings = object_of(top, "Settings");
    if (settings == nullptr) return;
    s.random_page_cost = 4;
    s.seq_page_cost = 1;
    s.effective_cache = 4096;
    if (double kb = kilobytes(text_of(*settings, "work_mem")); kb >= 64 && kb <= INT32_MAX)
      s.work_mem = static_cast<int32_t>(kb);
    if (double kb = kilobytes(text_of(*settings, "effective_cache_size")); kb >= 0)
      s.effective_cache = static_cast<float>(std::min(kb / 1024, 1e12));
    read_setting(*settings, "hash_mem_multiplier", s.hash_mem_multiplier);
    read_setting(*settings, "random_page_cost", s.random_page_cost);
    read_setting(*settings, "seq_page_cost", s.seq_page_cost);
    float workers = 2;
    read_setting(*settings, "max_parallel_workers_per_gather", workers);
    s.parallel_workers = static_cast<uint16_t>(std::min(workers, 65535.0f));
    for (const Switch& entry : kSwitches) {
      std::string_view text = text_of(*settings, std::string(entry.name).c_str());
      if (!text.empty() && (text == "on") != entry.on_by_default) s.switches |= 1u << entry.bit;
    }
  }

  void read_setting(const Json& settings, const char* name, float& value) {
    double x = kilobytes(text_of(settings, name));  // without a unit: a plain number
    if (x >= 0 && x <= 1e12) value = static_cast<float>(x);
  }

  void read_jit(const Json& top) {
    const Json* jit = object_of(top, "JIT");
    if (jit == nullptr) return;
    uint16_t& flags = out_.record.statement.flags;
    flags |= PREDICTOR_STATEMENT_JIT;
    if (const Json* options = object_of(*jit, "Options")) {
      if (is_true(*options, "Optimization")) flags |= PREDICTOR_STATEMENT_JIT_OPTIMIZE;
      if (is_true(*options, "Inlining")) flags |= PREDICTOR_STATEMENT_JIT_INLINE;
      if (is_true(*options, "Expressions")) flags |= PREDICTOR_STATEMENT_JIT_EXPRESSIONS;
      if (is_true(*options, "Deforming")) flags |= PREDICTOR_STATEMENT_JIT_DEFORM;
    }
    if (const Json* timing = object_of(*jit, "Timing"))
      out_.record.statement.jit_time =
          static_cast<float>(std::min(amount_of(*timing, "Total", bad_number_), 1e30));
  }

  void read_triggers(const Json& top) {
    auto triggers = top.find("Triggers");
    if (triggers == top.end() || !triggers->is_array()) return;
    double spent = 0;
    for (const Json& trigger : *triggers)
      if (trigger.is_object())
        if (double x = amount_of(trigger, "Time", bad_number_); x >= 0) spent += x;
    out_.record.statement.trigger_time = static_cast<float>(std::min(spent, 1e30));
  }

  // EXPLAIN does not print a Limit's count; where the planner knew it, it is the Limit's estimate.
  void mark_partial() {
    std::vector<PredictorNode>& nodes = out_.record.nodes;
    if (out_.record.statement.flags & PREDICTOR_STATEMENT_TIMED_OUT)
      for (PredictorNode& n : nodes) n.flags |= PREDICTOR_NODE_PARTIAL;
    for (PredictorNode& n : nodes) {
      if (n.parent < 0 || n.relationship != PREDICTOR_REL_OUTER) continue;
      const PredictorNode& parent = nodes[static_cast<size_t>(n.parent)];
      if (parent.op == PREDICTOR_OP_LIMIT && (n.flags & PREDICTOR_NODE_HAS_ROWS) != 0 &&
          (n.flags & PREDICTOR_NODE_NEVER_EXECUTED) == 0 && parent.actual_rows >= parent.plan_rows)
        n.flags |= PREDICTOR_NODE_PARTIAL;
    }
    PredictorRecord view = out_.record.view();
    predictor_spread_partial(&view);
  }

  ExplainedPlan& out_;
  const HashingKey& key_;
  ExplainStatus status_ = ExplainStatus::kOk;
  bool bad_number_ = false;
};

}  // namespace

const char* explain_status_text(ExplainStatus status) {
  switch (status) {
    case ExplainStatus::kOk:
      return "ok";
    case ExplainStatus::kNotJson:
      return "not a JSON object";
    case ExplainStatus::kNoPlan:
      return "no \"Plan\" with a \"Node Type\"";
    case ExplainStatus::kTooManyNodes:
      return "the plan has too many nodes or is nested too deep";
    case ExplainStatus::kBadNumber:
      return "a cost, time or count is negative or not a number";
  }
  return "unknown status";
}

ExplainStatus read_explain_json(std::string_view text, ExplainedPlan& out,
                                const HashingKey& key) try {
  out = {};
  Json top = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (top.is_array() && top.size() == 1) top = Json(top[0]);
  if (!top.is_object()) return ExplainStatus::kNotJson;
  return Reader(out, key).read(top);
} catch (const std::exception&) {
  return ExplainStatus::kNotJson;
}

}  // namespace predictor
