#include "plan/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "plan/bundle.h"
#include "plan/kernels.h"

namespace predictor {
namespace {

// y = y / rms(y). Sixteen partial sums, added in pairs: every target adds in the same order.
template <int V>
PREDICTOR_INLINE void normalize(int width, float* y) {
  constexpr int kCount = kLaneCount / V;
  Vector<V> sums[kCount] = {};
  for (int j = 0; j < width; j += kLaneCount) {
#pragma GCC unroll 4
    for (int k = 0; k < kCount; k++)
      sums[k] += *vector_at<V>(y + j + k * V) * *vector_at<V>(y + j + k * V);
  }
  float lanes[kLaneCount];
#pragma GCC unroll 4
  for (int k = 0; k < kCount; k++) *vector_at<V>(lanes + k * V) = sums[k];
#pragma GCC unroll 4
  for (int half = kLaneCount / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  }
  const float scale = 1 / std::sqrt(lanes[0] / static_cast<float>(width) + 1e-6f);
  for (int j = 0; j < width; j += V) *vector_at<V>(y + j) *= scale;
}

template <int V>
PREDICTOR_INLINE void run_input(const NetworkView& network, const NodeFeatures* features,
                                const uint32_t* rows, int nodes, float* z) {
  const int hidden = static_cast<int>(network.hidden);
  for (int i = 0; i < nodes; i++) {
    const NodeFeatures& f = features[i];
    float* y = z + static_cast<size_t>(i) * hidden;
    float x[kNumericCount];
    clip<V>(kNumericCount, f.numeric, network.clip_low, network.clip_high, x);
    const float* added[int{kCategoryCount} + int{kIdentityCount}];
    int count = 0;
    for (int c = 0; c < kCategoryCount; c++)
      added[count++] = network.category + static_cast<size_t>(f.category[c]) * hidden;
    for (int t = 0; t < kIdentityCount; t++) {
      uint32_t row = rows[i * kIdentityCount + t];
      if (row != kNoIdentity)
        added[count++] = network.identity[t] + static_cast<size_t>(row) * hidden;
    }
    std::memcpy(y, network.input_bias, static_cast<size_t>(hidden) * sizeof(float));
    add_product<V>(x, kNumericCount, network.numeric, hidden, y);
    add_rows<V>(added, count, hidden, y);
  }
}

// Children stand behind their parents, so walking backwards meets every child first. `state` holds
// z on entry and h on return.
template <int V>
PREDICTOR_INLINE void run_tree(const NetworkView& network, const PredictorNode* plan, int nodes,
                               float* state) {
  const int width = static_cast<int>(network.hidden);
  float gate[kMaxWidth];
  for (int i = nodes - 1; i >= 0; i--) {
    float* v = state + static_cast<size_t>(i) * width;
    relu<V>(width, v);
    std::memcpy(gate, network.cell_bias, static_cast<size_t>(width) * sizeof(float));
    add_product<V>(v, width, network.cell, width, gate);
    relu<V>(width, gate);
    add_row<V>(gate, width, v);
    normalize<V>(width, v);
    if (i == 0) break;
    float* parent = state + static_cast<size_t>(plan[i].parent) * width;
    add_product<V>(v, width, network.message[child_role(plan[i].relationship)], width, parent);
  }
}

// Adds `share` of the answers to `out`.
template <int V>
PREDICTOR_INLINE void run_head(const NetworkView& network, int nodes, const float* state,
                               float share, float* out) {
  const int hidden = static_cast<int>(network.hidden);
  const int head_hidden = static_cast<int>(network.head_hidden);
  float inner[kMaxWidth];
  for (int i = 0; i < nodes; i++) {
    std::memcpy(inner, network.head_bias, static_cast<size_t>(head_hidden) * sizeof(float));
    add_product<V>(state + static_cast<size_t>(i) * hidden, hidden, network.head, head_hidden,
                   inner);
    relu<V>(head_hidden, inner);
    float answers[kLaneCount];
    std::memcpy(answers, network.output_bias, sizeof answers);
    add_product<V>(inner, head_hidden, network.output, kLaneCount, answers);
    float* sum = out + static_cast<size_t>(i) * kLaneCount;
    for (int k = 0; k < kLaneCount; k += V)
      *vector_at<V>(sum + k) += share * *vector_at<V>(answers + k);
  }
}

template <int V>
PREDICTOR_INLINE void run_network_as(const NetworkView& network, const PredictorNode* plan,
                                     const NodeFeatures* features, const uint32_t* rows, int nodes,
                                     float share, float* scratch, float* out) {
  run_input<V>(network, features, rows, nodes, scratch);
  run_tree<V>(network, plan, nodes, scratch);
  run_head<V>(network, nodes, scratch, share, out);
}

PREDICTOR_FOR_EVERY_CPU(run_network,
                        (const NetworkView& network, const PredictorNode* plan,
                         const NodeFeatures* features, const uint32_t* rows, int nodes, float share,
                         float* scratch, float* out),
                        (network, plan, features, rows, nodes, share, scratch, out))

bool is_width(uint32_t width) { return width > 0 && width <= kMaxWidth && width % kLaneCount == 0; }

bool read_network(SectionReader& in, NetworkView& m) {
  m.hidden = in.get<uint32_t>();
  m.head_hidden = in.get<uint32_t>();
  for (uint32_t& rows : m.identity_rows) rows = in.get<uint32_t>();
  if (!in.ok() || !is_width(m.hidden) || !is_width(m.head_hidden)) return false;
  bool finite = true;
  auto read = [&in, &finite](uint64_t rows, uint64_t columns) {
    const float* x = in.get_array<float>(rows * columns);
    finite = finite && all_finite(x, rows * columns);
    return x;
  };
  m.clip_low = read(1, kNumericCount);
  m.clip_high = read(1, kNumericCount);
  m.numeric = read(kNumericCount, m.hidden);
  m.input_bias = read(1, m.hidden);
  m.category = read(kCategoryRows, m.hidden);
  for (int t = 0; t < kIdentityCount; t++) {
    if (m.identity_rows[t] < kFirstIdentity) return false;
    m.identity[t] = read(m.identity_rows[t], m.hidden);
  }
  for (auto& matrix : m.message) matrix = read(m.hidden, m.hidden);
  m.cell = read(m.hidden, m.hidden);
  m.cell_bias = read(1, m.hidden);
  m.head = read(m.hidden, m.head_hidden);
  m.head_bias = read(1, m.head_hidden);
  m.output = read(m.head_hidden, kLaneCount);
  m.output_bias = read(1, kLaneCount);
  return finite;
}

}  // namespace

static_assert(kOutputCount <= kLaneCount);

ChildRole child_role(int relationship) {
  if (relationship == PREDICTOR_REL_OUTER) return kOuterChild;
  return relationship == PREDICTOR_REL_INNER ? kInnerChild : kOtherChild;
}

std::vector<std::byte> write_network(std::span<const NetworkWeights> members) {
  SectionWriter out;
  out.put(static_cast<uint32_t>(members.size()));
  auto put = [&out](const std::vector<float>& x) { out.put_array(std::span<const float>(x)); };
  for (const NetworkWeights& w : members) {
    out.put(w.hidden);
    out.put(w.head_hidden);
    out.put(w.identity_rows);
    put(w.clip_low), put(w.clip_high), put(w.numeric), put(w.input_bias), put(w.category);
    for (const auto& table : w.identity) put(table);
    for (const auto& matrix : w.message) put(matrix);
    put(w.cell), put(w.cell_bias), put(w.head), put(w.head_bias), put(w.output), put(w.output_bias);
  }
  return out.take();
}

bool TreeNetwork::open(std::span<const std::byte> content) {
  SectionReader in(content);
  const auto count = in.get<uint32_t>();
  member_count_ = 0;
  if (count == 0 || count > kMostMembers) return false;
  for (uint32_t i = 0; i < count; i++)
    if (!read_network(in, members_[i])) return false;
  member_count_ = in.finished() ? count : 0;
  return is_open();
}

uint32_t TreeNetwork::identity_rows(int table) const {
  uint32_t rows = members_[0].identity_rows[table];
  for (const NetworkView& m : members()) rows = std::min(rows, m.identity_rows[table]);
  return rows;
}

size_t TreeNetwork::scratch_floats(int nodes) const {
  uint32_t hidden = 0;
  for (const NetworkView& m : members()) hidden = std::max(hidden, m.hidden);
  return size_t{hidden} * nodes;
}

void TreeNetwork::run(const PredictorNode* plan, const NodeFeatures* features, const uint32_t* rows,
                      int nodes, float* scratch, float* out) const {
  std::memset(out, 0, static_cast<size_t>(nodes) * kLaneCount * sizeof(float));
  const float share = 1.0f / static_cast<float>(member_count_);
  for (const NetworkView& m : members())
    run_network(m, plan, features, rows, nodes, share, scratch, out);
  for (int i = 0; i < nodes; i++)
    out[i * kLaneCount + kOutRows] += features[i].numeric[kRecalledRows];
}

void compose_times(const NodePlace* places, const PredictorNode* plan, const float* answers,
                   int nodes, double log_unit, float* loops_correction, float* log_total) {
  const auto unit = static_cast<float>(log_unit);
  for (int i = 0; i < nodes; i++) {
    const NodePlace& place = places[i];
    float correction = place.loops_base >= 0 ? loops_correction[place.loops_base] : 0;
    if (place.loops_rows >= 0)
      correction +=
          std::clamp(answers[place.loops_rows * kLaneCount + kOutRows], -kMaxLogRows, kMaxLogRows);
    loops_correction[i] = correction;
    float log_ms = answers[i * kLaneCount + kOutWork] + log_work(place) + correction + unit;
    log_total[i] = std::exp(std::clamp(log_ms, kMinLogWork, kMaxLogWork));
  }
  for (int i = nodes - 1; i > 0; i--) log_total[plan[i].parent] += log_total[i];
  for (int i = 0; i < nodes; i++) log_total[i] = std::log(log_total[i]);
}

}  // namespace predictor
