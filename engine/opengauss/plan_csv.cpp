#include "engine/opengauss/plan_csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <unordered_map>

#include "engine/text.h"

namespace predictor::engine::opengauss {
namespace {

constexpr int kFields = 8;
constexpr int kEncodingField = 3;
constexpr int kMostFeatures = 1024;

// A line before the tree is known.
struct Row {
  uint32_t id;
  uint32_t parent_id;
  size_t line;
  size_t features;
  double labels[kOpenGaussLabels];
};

using Rows = std::vector<Row>;

Error wrong(size_t line, const std::string& what) {
  return Error{"bad_csv", "line " + std::to_string(line) + ": " + what, 400};
}

template <class Number>
bool parse(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

class Reader {
 public:
  Failure read_line(std::string_view text, size_t line);
  Result<PlanCsv> finish();

 private:
  Failure read_features(std::string_view text, size_t line);
  Failure arrange(const Rows& rows, PlanCsv::Query& query) const;

  PlanCsv result_;
  std::unordered_map<int64_t, size_t> places_;  // of queries in rows_
  std::vector<Rows> rows_;
};

Failure Reader::read_line(std::string_view text, size_t line) {
  std::string_view fields[kFields];
  int count = 0;
  for (size_t from = 0; from <= text.size(); count++) {
    const size_t end = std::min(text.find(',', from), text.size());
    if (count < kFields) fields[count] = trimmed(text.substr(from, end - from));
    from = end + 1;
  }
  if (count != kFields) {
    return wrong(line, "it has " + std::to_string(count) + " fields instead of 8");
  }
  // Query ids are 64 bits, written signed by one side and unsigned by the other.
  int64_t query = 0;
  uint64_t unsigned_query = 0;
  if (parse(fields[0], unsigned_query)) {
    query = static_cast<int64_t>(unsigned_query);
  } else if (!parse(fields[0], query)) {
    return wrong(line, "its query id is no whole number");
  }
  Row row{};
  row.line = line;
  row.features = result_.features.size();
  if (!parse(fields[1], row.id) || !parse(fields[2], row.parent_id) || row.id > kMostNodeId ||
      row.parent_id > kMostNodeId) {
    return wrong(line, "its node ids must be whole numbers up to " + std::to_string(kMostNodeId));
  }
  for (int i = 0; i < kOpenGaussLabels; i++) {
    if (!parse(fields[kEncodingField + 1 + i], row.labels[i]) || !std::isfinite(row.labels[i])) {
      return wrong(line, "its times, rows and memory must be finite numbers");
    }
  }
  if (Failure failure = read_features(fields[kEncodingField], line)) return failure;
  const auto [place, is_new] = places_.emplace(query, rows_.size());
  if (is_new) {
    rows_.emplace_back();
    result_.queries.push_back({query, {}});
  }
  Rows& rows = rows_[place->second];
  if (rows.size() == kMostNodesOfQuery) {
    return wrong(line, "its query has more than " + std::to_string(kMostNodesOfQuery) + " nodes");
  }
  rows.push_back(row);
  return std::nullopt;
}

Failure Reader::read_features(std::string_view text, size_t line) {
  int count = 0;
  for (size_t from = 0; from < text.size(); count++) {
    const size_t end = std::min(text.find(' ', from), text.size());
    const std::string_view word = text.substr(from, end - from);
    float number = 0;
    if (!parse(word, number) || std::isnan(number) || count == kMostFeatures) {
      return wrong(line, "its encoding must be up to " + std::to_string(kMostFeatures) +
                             " numbers with one space between two");
    }
    // 1/dop is "inf" where dop was 0.
    result_.features.push_back(std::isinf(number) ? 1.0F : number);
    from = end + 1;
  }
  if (result_.feature_count == 0) result_.feature_count = count;
  if (count == 0 || count != result_.feature_count) {
    return wrong(line, "its encoding has " + std::to_string(count) + " numbers, the first has " +
                           std::to_string(result_.feature_count));
  }
  return std::nullopt;
}

// Puts the nodes of one query into pre-order.
Failure Reader::arrange(const Rows& rows, PlanCsv::Query& query) const {
  std::vector<std::vector<size_t>> children(rows.size());
  std::vector<size_t> stack;
  std::unordered_map<uint32_t, size_t> by_id;
  for (size_t i = 0; i < rows.size(); i++) {
    if (rows[i].id == 0) continue;  // nobody's parent
    if (!by_id.emplace(rows[i].id, i).second) {
      return wrong(rows[i].line,
                   "node " + std::to_string(rows[i].id) + " of its query is there twice");
    }
  }
  for (size_t i = 0; i < rows.size(); i++) {
    if (rows[i].parent_id == 0) {
      stack.push_back(i);
      continue;
    }
    const auto parent = by_id.find(rows[i].parent_id);
    if (parent == by_id.end()) {
      return wrong(rows[i].line,
                   "its parent, node " + std::to_string(rows[i].parent_id) + ", is not there");
    }
    children[parent->second].push_back(i);
  }
  // Popped from the end, so that the least id comes first.
  const auto later_first = [&rows](size_t a, size_t b) {
    return rows[a].id != rows[b].id ? rows[a].id > rows[b].id : a > b;
  };
  std::sort(stack.begin(), stack.end(), later_first);
  std::vector<int32_t> places(rows.size(), -1);
  while (!stack.empty()) {
    const size_t i = stack.back();
    stack.pop_back();
    places[i] = static_cast<int32_t>(query.nodes.size());
    PlanCsv::Node node{rows[i].id, -1, rows[i].features, {}};
    if (rows[i].parent_id != 0) node.parent = places[by_id.at(rows[i].parent_id)];
    std::copy(std::begin(rows[i].labels), std::end(rows[i].labels), node.labels);
    query.nodes.push_back(node);
    std::sort(children[i].begin(), children[i].end(), later_first);
    stack.insert(stack.end(), children[i].begin(), children[i].end());
  }
  if (query.nodes.size() == rows.size()) return std::nullopt;
  const auto lost = std::find(places.begin(), places.end(), -1) - places.begin();
  return wrong(rows[static_cast<size_t>(lost)].line, "its node is among its own ancestors");
}

Result<PlanCsv> Reader::finish() {
  if (rows_.empty()) return Error{"bad_csv", "the file has no line", 400};
  for (size_t i = 0; i < rows_.size(); i++) {
    if (Failure failure = arrange(rows_[i], result_.queries[i])) return *failure;
  }
  return std::move(result_);
}

}  // namespace

Result<PlanCsv> parse_plan_csv(std::string_view text) {
  Reader reader;
  size_t line = 1;
  for (size_t from = 0; from < text.size(); line++) {
    const size_t end = std::min(text.find('\n', from), text.size());
    const std::string_view content = text.substr(from, end - from);
    from = end + 1;
    if (trimmed(content).empty()) continue;
    if (Failure failure = reader.read_line(content, line)) return *failure;
  }
  return reader.finish();
}

}  // namespace predictor::engine::opengauss
