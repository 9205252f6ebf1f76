// flat_features.h - a whole plan as one row of numbers, for models that do not
// see its tree.
//
// Four blocks: the statement; each operator (how many, their cost, their rows);
// the joins nearest to the root and nearest to the leaves; and, for the
// relations and predicates that the training met most often, what the plan does
// to them. The last block needs a vocabulary, which the model carries.
//
// Numbers are in log space ("log" is ln(1 + x)), finite, and known before
// execution. Allocates nothing.
#ifndef PREDICTOR_PLAN_FLAT_FEATURES_H
#define PREDICTOR_PLAN_FLAT_FEATURES_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/bundle.h"
#include "plan/features.h"
#include "plan/plan_record.h"

namespace predictor {

inline constexpr int kMostFlatRelations = 48;
inline constexpr int kMostFlatPredicates = 64;

// Identities, ascending; the position is the identity's place in the row.
struct FlatVocabulary {
  const uint64_t* relations = nullptr;
  const uint64_t* predicates = nullptr;
  uint32_t relation_count = 0;
  uint32_t predicate_count = 0;
};

struct FlatContent {
  std::vector<uint64_t> relations, predicates;  // ascending
  FlatVocabulary view() const {
    return {relations.data(), predicates.data(), static_cast<uint32_t>(relations.size()),
            static_cast<uint32_t>(predicates.size())};
  }
};

int flat_feature_count(const FlatVocabulary& vocabulary);

void write_flat_vocabulary(const FlatContent& content, SectionWriter& out);
bool read_flat_vocabulary(SectionReader& in, FlatVocabulary& vocabulary);

// What is thought of a plan: the planner's numbers, and corrections of them
// where there are any (null: none): what each node's rows and loops are
// multiplied by.
struct FlatInput {
  const PredictorRecord& record;
  const NodePlace* places;
  const float* rows_factor = nullptr;
  const float* loops_factor = nullptr;
};

// Fills out[0 .. flat_feature_count()).
void encode_flat(const FlatInput& input, const FlatVocabulary& vocabulary, float* out);

}  // namespace predictor

#endif
