/*
 * predicate_tokens.h - the normal form to which both mouths reduce an expression: the backend from
 * the expression tree, the reader of EXPLAIN from the deparsed text.
 *
 * An expression is a sequence of tokens in reading order. Where the text of EXPLAIN has more than
 * one way to say a thing, the normal form has one:
 *  - columns by their name alone, whatever table alias stands before it; a column of a child's
 *    output, and a parameter that an outer node supplies, count as what computes them;
 *  - functions and operators by their name without schema;
 *  - no casts (explicit or implicit), no type names, no COLLATE, no window, no PARTIAL;
 *  - parentheses only around what has two parts or more;
 *  - a constant, a bound parameter and an InitPlan's result are all a value; several of them in an
 *    array are a list, and only the power of two of its length counts;
 *  - a subplan counts by its being hashed or not, whatever it is compared with.
 *
 * Values go into the keyed hash in a canonical form of their class, so that it does not matter
 * whether a number was an integer or numeric, or a date a timestamp.
 *
 * All numbers here are part of every stored hash: append, never renumber.
 */
#ifndef PREDICTOR_PLAN_PREDICATE_TOKENS_H
#define PREDICTOR_PLAN_PREDICATE_TOKENS_H

/* The property of EXPLAIN in which a clause stands. */
typedef enum PredictorRole {
  PREDICTOR_ROLE_FILTER = 1,
  PREDICTOR_ROLE_INDEX_CONDITION = 2,
  PREDICTOR_ROLE_RECHECK = 3,
  PREDICTOR_ROLE_TID_CONDITION = 4,
  PREDICTOR_ROLE_HASH_CONDITION = 5,
  PREDICTOR_ROLE_MERGE_CONDITION = 6,
  PREDICTOR_ROLE_JOIN_FILTER = 7,
  PREDICTOR_ROLE_ONE_TIME_FILTER = 8,
  PREDICTOR_ROLE_ORDER_BY = 9, /* of an index scan */
  PREDICTOR_ROLE_RUN_CONDITION = 10,
  PREDICTOR_ROLE_FUNCTION_CALL = 11,
  PREDICTOR_ROLE_SORT_KEY = 12,
  PREDICTOR_ROLE_GROUP_KEY = 13,
  PREDICTOR_ROLE_CACHE_KEY = 14,
  PREDICTOR_ROLE_CONFLICT_FILTER = 15,
  PREDICTOR_ROLE_SAMPLING = 16,
  PREDICTOR_ROLE_PROVIDER = 17 /* of a custom scan */
} PredictorRole;

typedef enum PredictorToken {
  PREDICTOR_TOKEN_COLUMN = 3,
  PREDICTOR_TOKEN_OPERATOR = 4,
  PREDICTOR_TOKEN_FUNCTION = 5,
  PREDICTOR_TOKEN_KEYWORD = 6,
  PREDICTOR_TOKEN_FIELD = 7,
  PREDICTOR_TOKEN_OPEN = 8,
  PREDICTOR_TOKEN_CLOSE = 9,
  PREDICTOR_TOKEN_COMMA = 10,
  PREDICTOR_TOKEN_SUBSCRIPT = 11,
  PREDICTOR_TOKEN_VALUE = 12,
  PREDICTOR_TOKEN_LIST = 13,   /* its number: how many bits the length has */
  PREDICTOR_TOKEN_SUBPLAN = 14 /* its number: 1 if hashed */
} PredictorToken;

/* What a value is, and so its canonical form. */
typedef enum PredictorValue {
  PREDICTOR_VALUE_NULL = 1,        /* nothing */
  PREDICTOR_VALUE_BOOL = 2,        /* t or f */
  PREDICTOR_VALUE_NUMBER = 3,      /* -12e-1: digits that begin and end with none of 0, exponent */
  PREDICTOR_VALUE_TEXT = 4,        /* as it is */
  PREDICTOR_VALUE_TIME = 5,        /* a point in time: microseconds since 2000-01-01 UTC */
  PREDICTOR_VALUE_TIME_OF_DAY = 6, /* microseconds, seconds west of UTC */
  PREDICTOR_VALUE_INTERVAL = 7,    /* months, days, microseconds */
  PREDICTOR_VALUE_BYTES = 8,
  PREDICTOR_VALUE_OPAQUE = 9 /* the backend's bytes of a type that has no canonical form here */
} PredictorValue;

#endif
