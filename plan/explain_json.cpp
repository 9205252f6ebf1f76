#include "plan/explain_json.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <limits>
#include <nlohmann/json.hpp>

#include "plan/operators.h"
#include "plan/predicate_text.h"
#include "plan/signature.h"

namespace predictor {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 500;  // of nested plans; PostgreSQL's own stack allows fewer
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

struct NamedValue {
  std::string_view name;
  int value;
};

template <size_t kCount>
int look_up(const NamedValue (&table)[kCount], std::string_view name, int otherwise) {
  for (const NamedValue& entry : table)
    if (entry.name == name) return entry.value;
  return otherwise;
}

constexpr NamedValue kRelationships[] = {
    {"Outer", PREDICTOR_REL_OUTER},     {"Inner", PREDICTOR_REL_INNER},
    {"Member", PREDICTOR_REL_MEMBER},   {"InitPlan", PREDICTOR_REL_INITPLAN},
    {"SubPlan", PREDICTOR_REL_SUBPLAN}, {"Subquery", PREDICTOR_REL_SUBQUERY}};
constexpr NamedValue kJoins[] = {{"Inner", PREDICTOR_JOIN_INNER},
                                 {"Left", PREDICTOR_JOIN_LEFT},
                                 {"Full", PREDICTOR_JOIN_FULL},
                                 {"Right", PREDICTOR_JOIN_RIGHT},
                                 {"Semi", PREDICTOR_JOIN_SEMI},
                                 {"Anti", PREDICTOR_JOIN_ANTI},
                                 {"Right Anti", PREDICTOR_JOIN_RIGHT_ANTI},
                                 {"Right Semi", PREDICTOR_JOIN_RIGHT_SEMI}};
constexpr NamedValue kStrategies[] = {{"Plain", PREDICTOR_STRATEGY_PLAIN},
                                      {"Sorted", PREDICTOR_STRATEGY_SORTED},
                                      {"Hashed", PREDICTOR_STRATEGY_HASHED},
                                      {"Mixed", PREDICTOR_STRATEGY_MIXED}};
constexpr NamedValue kPartialModes[] = {{"Simple", PREDICTOR_PARTIAL_SIMPLE},
                                        {"Partial", PREDICTOR_PARTIAL_PARTIAL},
                                        {"Finalize", PREDICTOR_PARTIAL_FINALIZE}};
constexpr NamedValue kCommands[] = {{"Select", PREDICTOR_COMMAND_SELECT},
                                    {"Insert", PREDICTOR_COMMAND_INSERT},
                                    {"Update", PREDICTOR_COMMAND_UPDATE},
                                    {"Delete", PREDICTOR_COMMAND_DELETE},
                                    {"Merge", PREDICTOR_COMMAND_MERGE}};
constexpr NamedValue kPredicates[] = {{"Filter", kFilterRole},
                                      {"Index Cond", kIndexCondRole},
                                      {"Recheck Cond", kRecheckCondRole},
                                      {"TID Cond", kTidCondRole},
                                      {"Hash Cond", kHashCondRole},
                                      {"Merge Cond", kMergeCondRole},
                                      {"Join Filter", kJoinFilterRole},
                                      {"One-Time Filter", kOneTimeFilterRole},
                                      {"Order By", kOrderByRole},
                                      {"Run Condition", kRunConditionRole}};

std::string_view text_of(const Json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return found->get_ref<const std::string&>();
}

bool is_true(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

size_t length_of(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_array() ? found->size() : 0;
}

class Reader {
 public:
  explicit Reader(ExplainedPlan& out) : out_(out) {}

  ExplainStatus read(const Json& top) {
    auto plan = top.find("Plan");
    if (plan == top.end() || !plan->is_object()) return ExplainStatus::kNoPlan;
    read_node(*plan, -1, 0);
    read_statement(top);
    if (status_ != ExplainStatus::kOk) return status_;
    PredictorRecord view = out_.record.view();
    sign(view);
    out_.record.statement = view.statement;
    return ExplainStatus::kOk;
  }

 private:
  // NaN if the key is missing; a number that makes no sense ends the reading.
  double amount(const Json& object, const char* key) {
    auto found = object.find(key);
    if (found == object.end()) return kUnknown;
    double x = found->is_number() ? found->get<double>() : -1;
    if (!(x >= 0) || !std::isfinite(x)) fail(ExplainStatus::kBadNumber);
    return x;
  }

  int32_t small_amount(const Json& object, const char* key) {
    double x = amount(object, key);
    return std::isnan(x) ? 0 : static_cast<int32_t>(std::min(x, 2e9));
  }

  void fail(ExplainStatus status) {
    if (status_ == ExplainStatus::kOk) status_ = status;
  }

  void read_node(const Json& json, int parent, int depth) {
    std::string_view type = text_of(json, "Node Type");
    if (type.empty()) fail(ExplainStatus::kNoPlan);
    if (out_.record.nodes.size() >= PREDICTOR_MAX_NODES || depth > kMaxDepth)
      fail(ExplainStatus::kTooManyNodes);
    if (status_ != ExplainStatus::kOk) return;
    const int self = static_cast<int>(out_.record.nodes.size());
    PredictorNode n;
    predictor_clear_node(&n);
    n.parent = parent;
    n.op = static_cast<uint16_t>(predictor_operator_number(std::string(type).c_str()));
    if (n.op == PREDICTOR_OP_UNKNOWN) out_.unknown_nodes++;
    read_structure(json, n);
    read_predicates(json, n);
    read_estimates(json, n);
    read_actuals(json, n);
    out_.record.nodes.push_back(n);
    auto children = json.find("Plans");
    if (children == json.end() || !children->is_array()) return;
    for (const Json& child : *children)
      if (child.is_object()) read_node(child, self, depth + 1);
  }

  void read_structure(const Json& json, PredictorNode& n) {
    auto small = [](int value) { return static_cast<uint8_t>(value); };
    n.relationship = n.parent < 0
                         ? small(PREDICTOR_REL_ROOT)
                         : small(look_up(kRelationships, text_of(json, "Parent Relationship"),
                                         PREDICTOR_REL_OUTER));
    n.join_type = small(look_up(kJoins, text_of(json, "Join Type"), PREDICTOR_JOIN_NONE));
    n.strategy = small(look_up(kStrategies, text_of(json, "Strategy"), PREDICTOR_STRATEGY_NONE));
    n.partial_mode =
        small(look_up(kPartialModes, text_of(json, "Partial Mode"), PREDICTOR_PARTIAL_SIMPLE));
    n.command = small(look_up(kCommands, text_of(json, "Operation"), PREDICTOR_COMMAND_NONE));
    if (is_true(json, "Parallel Aware")) n.flags |= PREDICTOR_NODE_PARALLEL_AWARE;
    if (is_true(json, "Async Capable")) n.flags |= PREDICTOR_NODE_ASYNC_CAPABLE;
    if (is_true(json, "Inner Unique")) n.flags |= PREDICTOR_NODE_INNER_UNIQUE;
    if (text_of(json, "Scan Direction") == "Backward") n.flags |= PREDICTOR_NODE_BACKWARD;
    n.sort_keys = static_cast<uint16_t>(
        std::min<size_t>(length_of(json, "Sort Key") + length_of(json, "Group Key"), UINT16_MAX));
    std::string_view schema = text_of(json, "Schema");
    if (auto name = text_of(json, "Relation Name"); !name.empty())
      n.relation = relation_identity(schema, name);
    if (auto name = text_of(json, "Index Name"); !name.empty())
      n.index = relation_identity(schema, name);
  }

  void read_predicates(const Json& json, PredictorNode& n) {
    PredicateHasher hasher(kPublicKey);
    for (const NamedValue& entry : kPredicates)
      if (auto text = text_of(json, std::string(entry.name).c_str()); !text.empty())
        hash_predicate_text(text, static_cast<PredicateRole>(entry.value), hasher);
    n.predicate = hasher.shape;
    n.selection = hasher.selection;
    n.links = hasher.links;
    n.constants = hasher.constants;
    n.coarse = hasher.coarse;
    n.clauses = static_cast<uint8_t>(std::min(hasher.clauses, 255u));
  }

  void read_estimates(const Json& json, PredictorNode& n) {
    n.startup_cost = amount(json, "Startup Cost");
    n.total_cost = amount(json, "Total Cost");
    n.plan_rows = amount(json, "Plan Rows");
    n.plan_width = small_amount(json, "Plan Width");
    n.workers_planned = small_amount(json, "Workers Planned");
  }

  void read_actuals(const Json& json, PredictorNode& n) {
    n.actual_startup = amount(json, "Actual Startup Time");
    n.actual_total = amount(json, "Actual Total Time");
    n.actual_rows = amount(json, "Actual Rows");
    n.actual_loops = amount(json, "Actual Loops");
    if (!std::isnan(n.actual_rows) && !std::isnan(n.actual_loops))
      n.flags |= n.actual_loops > 0 ? PREDICTOR_NODE_HAS_ROWS : PREDICTOR_NODE_NEVER_EXECUTED;
    if (n.actual_loops > 0 && !std::isnan(n.actual_total) && !std::isnan(n.actual_startup))
      n.flags |= PREDICTOR_NODE_HAS_TIME;
    if (json.contains("Peak Memory Usage"))
      n.actual_memory = amount(json, "Peak Memory Usage");
    else if (text_of(json, "Sort Space Type") == "Memory")
      n.actual_memory = amount(json, "Sort Space Used");
    if (!std::isnan(n.actual_memory) && n.actual_loops > 0) n.flags |= PREDICTOR_NODE_HAS_MEMORY;
  }

  void read_statement(const Json& top) {
    PredictorStatement& s = out_.record.statement;
    predictor_clear_statement(&s);
    s.total_time = amount(top, "Execution Time");
    s.planning_time = amount(top, "Planning Time");
    s.key_id = kPublicKeyId;
    s.work_mem = 4096;  // PostgreSQL's default, where the text does not say
    if (auto settings = top.find("Settings"); settings != top.end() && settings->is_object())
      read_work_mem(text_of(*settings, "work_mem"));
    if (is_true(top, "Timed Out")) s.flags |= PREDICTOR_STATEMENT_TIMED_OUT;
    read_jit(top);
    s.command = PREDICTOR_COMMAND_SELECT;
    for (const PredictorNode& n : out_.record.nodes) {
      if (n.op == PREDICTOR_OP_MODIFY_TABLE) s.command = n.command;
      if (n.flags & PREDICTOR_NODE_HAS_TIME)
        s.instrumentation = PREDICTOR_INSTRUMENT_TIMERS;
      else if (n.flags & PREDICTOR_NODE_HAS_ROWS && s.instrumentation == PREDICTOR_INSTRUMENT_NONE)
        s.instrumentation = PREDICTOR_INSTRUMENT_ROWS;
    }
    out_.group = text_of(top, "Group");
    out_.database = text_of(top, "Database");
  }

  // "64MB", as EXPLAIN (SETTINGS) prints it.
  void read_work_mem(std::string_view text) {
    if (text.empty()) return;
    std::string number(text);
    char* unit = nullptr;
    double value = std::strtod(number.c_str(), &unit);
    std::string_view suffix(unit);
    double kb = suffix == "MB" ? value * 1024 : suffix == "GB" ? value * 1024 * 1024 : value;
    if (kb >= 64 && kb <= INT32_MAX) out_.record.statement.work_mem = static_cast<int32_t>(kb);
  }

  void read_jit(const Json& top) {
    auto jit = top.find("JIT");
    if (jit == top.end() || !jit->is_object()) return;
    out_.record.statement.flags |= PREDICTOR_STATEMENT_JIT;
    auto options = jit->find("Options");
    if (options == jit->end() || !options->is_object()) return;
    if (is_true(*options, "Optimization"))
      out_.record.statement.flags |= PREDICTOR_STATEMENT_JIT_OPTIMIZE;
    if (is_true(*options, "Inlining"))
      out_.record.statement.flags |= PREDICTOR_STATEMENT_JIT_INLINE;
  }

  ExplainedPlan& out_;
  ExplainStatus status_ = ExplainStatus::kOk;
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

ExplainStatus read_explain_json(std::string_view text, ExplainedPlan& out) try {
  out = {};
  Json top = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (top.is_array() && top.size() == 1) top = Json(top[0]);
  if (!top.is_object()) return ExplainStatus::kNotJson;
  return Reader(out).read(top);
} catch (const std::exception&) {
  return ExplainStatus::kNotJson;
}

}  // namespace predictor
