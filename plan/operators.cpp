#include "plan/operators.h"

#include <cstring>

namespace {

constexpr const char* kNames[PREDICTOR_OPERATOR_COUNT] = {
#define X(name, number, text) text,
    PREDICTOR_OPERATORS(X)
#undef X
};

}  // namespace

const char* predictor_operator_name(int op) {
  if (op < 0 || op >= PREDICTOR_OPERATOR_COUNT) return kNames[PREDICTOR_OP_UNKNOWN];
  return kNames[op];
}

int predictor_operator_number(const char* name) {
  for (int op = 0; op < PREDICTOR_OPERATOR_COUNT; op++)
    if (std::strcmp(kNames[op], name) == 0) return op;
  return PREDICTOR_OP_UNKNOWN;
}
