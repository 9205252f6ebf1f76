#include "plan/plan_cache.h"

#include "plan/siphash.h"

namespace predictor {

uint64_t plan_key(const PredictorStatement& statement) {
  uint64_t words[] = {1, statement.signature};
  uint64_t key = siphash24_words(kPublicKey, words);
  return key == 0 ? 1 : key;
}

uint64_t exact_plan_key(const PredictorStatement& statement) {
  uint64_t words[] = {2, statement.signature, statement.constants};
  uint64_t key = siphash24_words(kPublicKey, words);
  return key == 0 ? 1 : key;
}

}  // namespace predictor
