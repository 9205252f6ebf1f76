#include "plan/signature.h"

#include <algorithm>
#include <array>

#include "plan/siphash.h"

namespace predictor {
namespace {

uint64_t structure_word(const PredictorNode& n) {
  return uint64_t{n.op} | uint64_t{n.relationship} << 16 | uint64_t{n.join_type} << 24 |
         uint64_t{n.strategy} << 32 | uint64_t{n.partial_mode} << 40 | uint64_t{n.command} << 48 |
         uint64_t{n.clauses} << 56;
}

// PostgreSQL's names have at most 63 bytes; what is longer comes from elsewhere and is cut.
constexpr size_t kNameLimit = 255;

}  // namespace

uint64_t relation_identity(std::string_view schema, std::string_view name) {
  std::array<char, 2 * kNameLimit + 1> text;
  schema = schema.substr(0, kNameLimit);
  name = name.substr(0, kNameLimit);
  std::copy(schema.begin(), schema.end(), text.begin());
  text[schema.size()] = '\0';
  std::copy(name.begin(), name.end(), text.begin() + schema.size() + 1);
  uint64_t identity = siphash24(kPublicKey, text.data(), schema.size() + 1 + name.size());
  return identity == 0 ? 1 : identity;
}

void subplan_signatures(const PredictorRecord& record, uint64_t* out) {
  // Until a node's turn comes its place holds a chain over its children, the last one first.
  for (int i = 0; i < record.node_count; i++) out[i] = 0;
  for (int i = record.node_count - 1; i >= 0; i--) {
    PredictorNode n = record.nodes[i];
    n.relationship = 0;  // how the sub-plan hangs in its plan is not of the sub-plan
    uint16_t flags = n.flags & ~PREDICTOR_NODE_ACTUAL_FLAGS;
    uint64_t block[] = {
        out[i],     structure_word(n), uint64_t{flags} | uint64_t{n.sort_keys} << 16,
        n.relation, n.index,           n.predicate};
    out[i] = siphash24_words(kPublicKey, block);
    if (out[i] == 0) out[i] = 1;
    if (n.parent < 0) continue;
    uint64_t link[] = {out[n.parent], out[i], record.nodes[i].relationship};
    out[n.parent] = siphash24_words(kPublicKey, link);
  }
}

void sign(PredictorRecord& record) {
  // A chain of keyed hashes over fixed-size blocks: needs no buffer that grows with the plan.
  uint64_t signature = 0;
  uint64_t constants = 0;
  for (int i = 0; i < record.node_count; i++) {
    const PredictorNode& n = record.nodes[i];
    uint16_t flags = n.flags & ~PREDICTOR_NODE_ACTUAL_FLAGS;
    uint64_t block[] = {signature,
                        structure_word(n),
                        uint64_t{flags} | uint64_t{n.sort_keys} << 16 |
                            uint64_t{static_cast<uint32_t>(n.parent)} << 32,
                        n.relation,
                        n.index,
                        n.predicate};
    signature = siphash24_words(kPublicKey, block);
    if (n.constants != 0) {
      uint64_t pair[] = {constants, n.constants, static_cast<uint64_t>(i)};
      constants = siphash24_words(kPublicKey, pair);
    }
  }
  record.statement.signature = signature;
  record.statement.constants = constants;
}

}  // namespace predictor
