// network.h - the tree network as plain loops over a bundle's weights.
//
// Bottom-up over the plan, after E2E (Sun and Li, "An End-to-End Learning-based Cost Estimator",
// VLDB 2019) and QPPNet (Marcus and Papaemmanouil, VLDB 2019), with one cell for all operators:
//   z = b + N clip(x) + sum of category rows + sum of identity rows     input of a node
//   u = z + sum over children of M[role] h(child)
//   v = relu(u);  y = v + relu(v C + c);  h = y / rms(y)                state of a node
//   o = relu(h G + g) O + p                                             answers of a node
// (rows are relative to recalled rows, see memory.h; several such networks answer with their mean),
// and, of the answers, one that composes times as operators do (see compose_times()).
// engine/model/ trains it with LibTorch; a unit test holds both to the same numbers.
//
// How an execution was instrumented is no feature: training adds to the answers of a node what
// instrumentation adds to its time, so that leaving that out answers for "not instrumented".
#ifndef PREDICTOR_PLAN_NETWORK_H
#define PREDICTOR_PLAN_NETWORK_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/features.h"

namespace predictor {

inline constexpr uint32_t kNetworkVersion = 2;

// Networks whose answers are averaged: each errs by chance in its own way.
inline constexpr uint32_t kMostMembers = 4;

// Widths are multiples of this many floats, so that loops need no tail.
inline constexpr int kLaneCount = 16;
inline constexpr int kMaxWidth = 256;

enum NetworkOutput : int {
  kOutWork,        // ln(ms of the node's own work / its planned work at the usual price)
  kOutCorrection,  // added to ln of the node's total time where the plan is like the training's
  kOutLowSpread,   // softplus of it is the distance from the median to the 5 % quantile
  kOutHighSpread,  // and to the 95 % quantile
  kOutStartup,     // startup time = total time * exp(-softplus)
  kOutRows,        // ln((rows + 0.5) / (planned rows + 0.5)), recalled rows included
  kOutMemory,      // ln((kB + 1) / (planned kB + 1))
  kOutputCount
};

enum ChildRole : int { kOuterChild, kInnerChild, kOtherChild, kRoleCount };

ChildRole child_role(int relationship);

// Rows of an identity's table with a fixed meaning.
inline constexpr uint32_t kUnknownIdentity = 0;  // a hash that training has not seen
inline constexpr uint32_t kNoIdentity = 1;       // the node has none: all zero, never added
inline constexpr uint32_t kFirstIdentity = 2;

// All matrices are stored input by output: row i holds what input i adds to each output.
struct NetworkWeights {
  uint32_t hidden = 0;       // width of z, u, v, y, h
  uint32_t head_hidden = 0;  // width inside the head
  uint32_t identity_rows[kIdentityCount] = {};
  std::vector<float> clip_low, clip_high;       // [kNumericCount]
  std::vector<float> numeric;                   // [kNumericCount, hidden]
  std::vector<float> input_bias;                // [hidden]
  std::vector<float> category;                  // [kCategoryRows, hidden]
  std::vector<float> identity[kIdentityCount];  // [identity_rows, hidden]
  std::vector<float> message[kRoleCount];       // [hidden, hidden]
  std::vector<float> cell, cell_bias;           // [hidden, hidden], [hidden]
  std::vector<float> head, head_bias;           // [hidden, head_hidden], [head_hidden]
  std::vector<float> output, output_bias;       // [head_hidden, kLaneCount], [kLaneCount]
};

// The content of a kTreeNetwork section: 1 to kMostMembers networks. Every vector must have its
// size.
std::vector<std::byte> write_network(std::span<const NetworkWeights> members);

// The same of one network where they lie in a section.
struct NetworkView {
  uint32_t hidden, head_hidden;
  uint32_t identity_rows[kIdentityCount];
  const float *clip_low, *clip_high, *numeric, *input_bias, *category;
  const float* identity[kIdentityCount];
  const float* message[kRoleCount];
  const float *cell, *cell_bias, *head, *head_bias, *output, *output_bias;
};

// A view of such a section.
class TreeNetwork {
 public:
  // False if a dimension is out of bounds or does not fit the content.
  bool open(std::span<const std::byte> content);

  bool is_open() const { return member_count_ > 0; }
  // The least of any member.
  uint32_t identity_rows(int table) const;

  // Floats that run() needs as scratch.
  size_t scratch_floats(int nodes) const;

  // Answers of every node: out[node * kLaneCount + NetworkOutput]. `rows[node * kIdentityCount]`
  // are rows of the identity tables, each below identity_rows().
  void run(const PredictorNode* plan, const NodeFeatures* features, const uint32_t* rows, int nodes,
           float* scratch, float* out) const;

 private:
  std::span<const NetworkView> members() const { return {members_, member_count_}; }

  uint32_t member_count_ = 0;
  NetworkView members_[kMostMembers] = {};
};

// Bounds of what the network may add, in log space; training applies the same.
inline constexpr float kMaxLogWork = 25;  // of a node's own time in ms
inline constexpr float kMinLogWork = -20;
inline constexpr float kMaxLogRows = 12;  // of the correction of rows that loops follow

// Times add up (after Akdere et al., "Learning-based Query Performance Modeling and Prediction",
// ICDE 2012, and QPPNet): what a node takes in the whole statement is its own work and that of all
// nodes below; its own work is its planned work, corrected, times how often it runs, and that
// follows the predicted rows of the nodes that start it. `log_unit` is ln ms per unit of cost.
// Fills log_total[nodes]: ln ms over all loops, in one process.
void compose_times(const NodePlace* places, const PredictorNode* plan, const float* answers,
                   int nodes, double log_unit, float* loops_correction, float* log_total);

}  // namespace predictor

#endif
