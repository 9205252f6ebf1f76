#include "plan/explain_node.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "plan/operators.h"
#include "plan/predicate_text.h"
#include "plan/signature.h"

namespace predictor {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

struct NamedValue {
  std::string_view name;
  int value;
};

template <size_t kCount>
uint8_t look_up(const NamedValue (&table)[kCount], std::string_view name, int otherwise) {
  for (const NamedValue& entry : table)
    if (entry.name == name) return static_cast<uint8_t>(entry.value);
  return static_cast<uint8_t>(otherwise);
}

constexpr NamedValue kRelationships[] = {
    {"Outer", PREDICTOR_REL_OUTER},     {"Inner", PREDICTOR_REL_INNER},
    {"Member", PREDICTOR_REL_MEMBER},   {"InitPlan", PREDICTOR_REL_INITPLAN},
    {"SubPlan", PREDICTOR_REL_SUBPLAN}, {"Subquery", PREDICTOR_REL_SUBQUERY},
    {"child", PREDICTOR_REL_MEMBER},      // of a custom scan
    {"children", PREDICTOR_REL_MEMBER}};  // of a custom scan
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
                                    {"Merge", PREDICTOR_COMMAND_MERGE},
                                    {"Intersect", PREDICTOR_COMMAND_INTERSECT},
                                    {"Intersect All", PREDICTOR_COMMAND_INTERSECT_ALL},
                                    {"Except", PREDICTOR_COMMAND_EXCEPT},
                                    {"Except All", PREDICTOR_COMMAND_EXCEPT_ALL}};

struct NamedRole {
  const char* key;
  PredictorRole role;
};

constexpr NamedRole kConditions[] = {{"Filter", PREDICTOR_ROLE_FILTER},
                                     {"Index Cond", PREDICTOR_ROLE_INDEX_CONDITION},
                                     {"Recheck Cond", PREDICTOR_ROLE_RECHECK},
                                     {"TID Cond", PREDICTOR_ROLE_TID_CONDITION},
                                     {"Hash Cond", PREDICTOR_ROLE_HASH_CONDITION},
                                     {"Merge Cond", PREDICTOR_ROLE_MERGE_CONDITION},
                                     {"Join Filter", PREDICTOR_ROLE_JOIN_FILTER},
                                     {"One-Time Filter", PREDICTOR_ROLE_ONE_TIME_FILTER},
                                     {"Order By", PREDICTOR_ROLE_ORDER_BY},
                                     {"Run Condition", PREDICTOR_ROLE_RUN_CONDITION},
                                     {"Conflict Filter", PREDICTOR_ROLE_CONFLICT_FILTER}};

// An array's texts; a single text counts as one.
std::vector<std::string_view> texts_of(const Json& value) {
  std::vector<std::string_view> texts;
  if (value.is_string()) texts.push_back(value.get_ref<const std::string&>());
  if (value.is_array())
    for (const Json& element : value)
      if (element.is_string()) texts.push_back(element.get_ref<const std::string&>());
  return texts;
}

std::vector<std::string_view> texts_of(const Json& object, const char* key) {
  auto found = object.find(key);
  return found == object.end() ? std::vector<std::string_view>() : texts_of(*found);
}

size_t add_keys(const std::vector<std::string_view>& keys, PredictorRole role,
                PredicateHasher& hasher) {
  if (!keys.empty()) hash_keys(keys, role, hasher);
  return keys.size();
}

// "Grouping Sets": [{"Group Keys": [["a", "b"], []]}, {"Hash Keys": [["c"]]}]
size_t add_grouping_sets(const Json& json, PredicateHasher& hasher) {
  size_t keys = 0;
  auto sets = json.find("Grouping Sets");
  if (sets == json.end() || !sets->is_array()) return 0;
  for (const Json& phase : *sets)
    for (const char* name : {"Group Keys", "Hash Keys"}) {
      if (!phase.is_object() || !phase.contains(name) || !phase[name].is_array()) continue;
      for (const Json& set : phase[name]) {
        std::vector<std::string_view> texts = texts_of(set);
        hash_keys(texts, PREDICTOR_ROLE_GROUP_KEY, hasher);
        keys += texts.size();
      }
    }
  return keys;
}

void read_predicates(const Json& json, SipKey key, PredictorNode& n) {
  PredicateHasher hasher(key);
  for (const NamedRole& entry : kConditions)
    for (std::string_view text : texts_of(json, entry.key))
      hash_predicate_text(text, entry.role, hasher);
  size_t keys = add_keys(texts_of(json, "Sort Key"), PREDICTOR_ROLE_SORT_KEY, hasher);
  keys += add_keys(texts_of(json, "Group Key"), PREDICTOR_ROLE_GROUP_KEY, hasher);
  keys += add_grouping_sets(json, hasher);
  add_keys(texts_of(json, "Cache Key"), PREDICTOR_ROLE_CACHE_KEY, hasher);
  add_keys(texts_of(json, "Function Call"), PREDICTOR_ROLE_FUNCTION_CALL, hasher);
  if (auto method = text_of(json, "Sampling Method"); !method.empty())
    hash_sampling(method, texts_of(json, "Sampling Parameters"), text_of(json, "Repeatable Seed"),
                  hasher);
  if (auto provider = text_of(json, "Custom Plan Provider"); !provider.empty())
    hash_provider(provider, hasher);
  n.sort_keys = static_cast<uint16_t>(std::min<size_t>(keys, UINT16_MAX));
  hasher.put_into(n);
}

void read_structure(const Json& json, PredictorNode& n) {
  n.op = static_cast<uint16_t>(
      predictor_operator_number(std::string(text_of(json, "Node Type")).c_str()));
  n.relationship = n.parent < 0 ? uint8_t{PREDICTOR_REL_ROOT}
                                : look_up(kRelationships, text_of(json, "Parent Relationship"),
                                          PREDICTOR_REL_OUTER);
  n.join_type = look_up(kJoins, text_of(json, "Join Type"), PREDICTOR_JOIN_NONE);
  n.strategy = look_up(kStrategies, text_of(json, "Strategy"), PREDICTOR_STRATEGY_NONE);
  n.partial_mode = look_up(kPartialModes, text_of(json, "Partial Mode"), PREDICTOR_PARTIAL_SIMPLE);
  n.command = look_up(kCommands, text_of(json, "Operation"), PREDICTOR_COMMAND_NONE);
  if (n.op == PREDICTOR_OP_SET_OP)
    n.command = look_up(kCommands, text_of(json, "Command"), PREDICTOR_COMMAND_NONE);
  if (is_true(json, "Parallel Aware")) n.flags |= PREDICTOR_NODE_PARALLEL_AWARE;
  if (is_true(json, "Async Capable")) n.flags |= PREDICTOR_NODE_ASYNC_CAPABLE;
  if (is_true(json, "Inner Unique")) n.flags |= PREDICTOR_NODE_INNER_UNIQUE;
  if (is_true(json, "Single Copy")) n.flags |= PREDICTOR_NODE_SINGLE_COPY;
  if (text_of(json, "Scan Direction") == "Backward") n.flags |= PREDICTOR_NODE_BACKWARD;
  if (auto name = text_of(json, "Relation Name"); !name.empty())
    n.relation = relation_identity(text_of(json, "Schema"), name);
  // "Schema" is the table's; the index's is not printed.
  if (auto name = text_of(json, "Index Name"); !name.empty()) n.index = relation_identity("", name);
}

// The numbers of one node; remembers whether one of them made no sense.
class Numbers {
 public:
  Numbers(const Json& json, bool& bad) : json_(json), bad_(bad) {}

  double amount(const char* key) const { return amount_of(json_, key, bad_); }

  float small(const char* key) const { return static_cast<float>(std::min(amount(key), 1e30)); }

  int32_t count(const char* key) const {
    double x = amount(key);
    return std::isnan(x) ? 0 : static_cast<int32_t>(std::min(x, 2e9));
  }

  bool has(const char* key) const { return json_.contains(key); }

  // Missing ones count as 0, unless all are missing.
  float sum(std::initializer_list<const char*> keys) const {
    double total = kUnknown;
    for (const char* key : keys)
      if (double x = amount(key); !std::isnan(x)) total = std::isnan(total) ? x : total + x;
    return static_cast<float>(std::min(total, 1e30));
  }

 private:
  const Json& json_;
  bool& bad_;
};

void read_estimates(const Numbers& in, PredictorNode& n) {
  n.startup_cost = in.amount("Startup Cost");
  n.total_cost = in.amount("Total Cost");
  n.plan_rows = in.amount("Plan Rows");
  n.plan_width = in.count("Plan Width");
  n.workers_planned = in.count("Workers Planned");
  n.planned_batches = in.count("Original Hash Batches");
  if (n.op == PREDICTOR_OP_AGGREGATE &&
      (n.strategy == PREDICTOR_STRATEGY_HASHED || n.strategy == PREDICTOR_STRATEGY_MIXED))
    n.planned_batches = std::max(1, in.count("Planned Partitions"));
}

double known_or(double x, double otherwise) { return std::isnan(x) ? otherwise : x; }

void take_largest(double& largest, double x) {
  if (!std::isnan(x) && !(largest >= x)) largest = x;
}

// What a node or one of its workers says of its memory and its temporary files.
void read_space(const Json& json, const Numbers& in, PredictorNode& n, double& disk) {
  take_largest(n.actual_memory, in.amount("Peak Memory Usage"));
  const bool on_disk = text_of(json, "Sort Space Type") == "Disk";
  take_largest(on_disk ? disk : n.actual_memory, in.amount("Sort Space Used"));
  take_largest(text_of(json, "Storage") == "Disk" ? disk : n.actual_memory,
               in.amount("Maximum Storage"));
  if (double used = in.amount("Disk Usage"); used > 0) take_largest(disk, used);
  n.actual_batches =
      std::max({n.actual_batches, in.count("Hash Batches"), in.count("HashAgg Batches")});
  // Incremental sorts print the space of their two kinds of groups.
  for (const char* kind : {"Full-sort Groups", "Pre-sorted Groups"}) {
    auto groups = json.find(kind);
    if (groups == json.end() || !groups->is_object()) continue;
    bool bad = false;
    for (auto [key, what] :
         {std::pair{"Sort Space Memory", &n.actual_memory}, std::pair{"Sort Space Disk", &disk}})
      if (auto space = groups->find(key); space != groups->end() && space->is_object())
        take_largest(*what, amount_of(*space, "Peak Sort Space Used", bad));
  }
}

// EXPLAIN (ANALYZE, VERBOSE) prints each worker's own numbers; what they leave of the node's is the
// leader's.
void read_workers(const Json& json, PredictorNode& n, double& disk, bool& bad) {
  const double all = n.actual_total * n.actual_loops;
  double leader = all, longest = 0;
  auto workers = json.find("Workers");
  const bool known = workers != json.end() && workers->is_array();
  if (known)
    for (const Json& worker : *workers) {
      if (!worker.is_object()) continue;
      const Numbers in(worker, bad);
      double own = known_or(in.amount("Actual Total Time") * in.amount("Actual Loops"), 0);
      leader -= own;
      longest = std::max(longest, own);
      read_space(worker, in, n, disk);
    }
  if (n.flags & PREDICTOR_NODE_HAS_TIME)
    n.actual_wall = static_cast<float>(std::min(std::max(leader, longest), 1e30));
}

void read_actuals(const Json& json, const Numbers& in, PredictorNode& n, bool& bad) {
  n.actual_rows = in.amount("Actual Rows");
  n.actual_loops = in.amount("Actual Loops");
  n.workers_launched = static_cast<uint16_t>(std::min(in.count("Workers Launched"), 65535));
  if (std::isnan(n.actual_rows) || std::isnan(n.actual_loops)) return;
  n.flags |= PREDICTOR_NODE_HAS_ROWS;
  if (n.actual_loops <= 0) {
    n.flags |= PREDICTOR_NODE_NEVER_EXECUTED;
    return;
  }
  n.actual_startup = in.amount("Actual Startup Time");
  n.actual_total = in.amount("Actual Total Time");
  if (!std::isnan(n.actual_total) && !std::isnan(n.actual_startup))
    n.flags |= PREDICTOR_NODE_HAS_TIME;
  n.actual_removed = in.sum({"Rows Removed by Filter", "Rows Removed by Join Filter"});
  n.actual_rechecked = in.small("Rows Removed by Index Recheck");
  n.actual_hit = in.sum({"Shared Hit Blocks", "Local Hit Blocks"});
  n.actual_read = in.sum({"Shared Read Blocks", "Local Read Blocks"});
  n.actual_temp = in.sum({"Temp Read Blocks", "Temp Written Blocks"});
  if (!std::isnan(n.actual_hit)) n.flags |= PREDICTOR_NODE_HAS_BUFFERS;
  double disk = kUnknown;
  read_space(json, in, n, disk);
  read_workers(json, n, disk, bad);
  n.actual_disk = static_cast<float>(disk);
  if (!std::isnan(n.actual_memory)) n.flags |= PREDICTOR_NODE_HAS_MEMORY;
}

}  // namespace

std::string_view text_of(const Json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return found->get_ref<const std::string&>();
}

bool is_true(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

double amount_of(const Json& object, const char* key, bool& bad) {
  auto found = object.find(key);
  if (found == object.end() || found->is_null()) return kUnknown;
  double x = found->is_number() ? found->get<double>() : -1;
  if (x >= 0 && std::isfinite(x)) return x;
  bad = true;
  return kUnknown;
}

void read_explained_node(const Json& json, SipKey key, PredictorNode& node, bool& bad) {
  const Numbers in(json, bad);
  read_structure(json, node);
  read_predicates(json, key, node);
  read_estimates(in, node);
  read_actuals(json, in, node, bad);
}

}  // namespace predictor
