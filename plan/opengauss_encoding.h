/*
 * opengauss_encoding.h - openGauss's encoding of one plan node as 67 numbers.
 *
 *   0       1 / degree of parallelism
 *   1-2     orientation: row, column
 *   3-22    operation
 *   23-35   strategy; what a position means depends on the operation
 *   36-42   option; likewise
 *   43-54   low 12 bits of the hash of the condition's text, bit 0 first
 *   55-66   low 12 bits of the hash of the projection's text
 *
 * Bit-compatible with what openGauss's kernel makes: a word that it does not know leaves its block
 * of zeros, and is no error. The extension encodes with it, and the engine reads what openGauss's
 * kernel or the extension has encoded. Plain C, no allocation, cannot fail.
 */
#ifndef PREDICTOR_PLAN_OPENGAUSS_ENCODING_H
#define PREDICTOR_PLAN_OPENGAUSS_ENCODING_H

#include <stddef.h>
#include <stdint.h>

#include "plan/plan_record.h"

#define PREDICTOR_OPENGAUSS_FEATURES 67
#define PREDICTOR_OPENGAUSS_HASH_BITS 12

/* Enough for the text of any encoding: 1/dop takes at most 6 bytes, every other number 1, and a
 * space follows each; then the terminating zero. */
#define PREDICTOR_OPENGAUSS_TEXT_SIZE 160
#define PREDICTOR_OPENGAUSS_SHAPE_SIZE 40

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The hash of a text, of which the encoding keeps 12 bits: the lookup3 variant (Bob Jenkins, 2006)
 * that PostgreSQL uses for its hash indexes, always read as little-endian words.
 */
uint32_t predictor_opengauss_hash(const char* text, size_t length);

/*
 * Writes the encoding's text, each number followed by a space, and a zero byte into `out`, which
 * holds PREDICTOR_OPENGAUSS_TEXT_SIZE bytes. Words are zero-terminated and compared exactly; of the
 * hashes the low 12 bits count. A dop of 0 prints as "inf". Returns the text's length.
 */
size_t predictor_opengauss_encode(const char* operation, const char* orientation,
                                  const char* strategy, const char* options, int64_t dop,
                                  uint32_t condition_hash, uint32_t projection_hash, char* out);

/*
 * openGauss's words for a node of PostgreSQL's: its operation and strategy, as the encoding above
 * takes them. `op`, `strategy` and `command` are numbers of plan/operators.h. A node that openGauss
 * has no words for is "???" with the strategy "".
 */
void predictor_opengauss_words(int op, int strategy, int command, const char** operation_word,
                               const char** strategy_word);

/*
 * openGauss's words for how a node joins, or that it samples. Each is followed by a space, which
 * keeps the encoding above from knowing them, as it does with openGauss's own.
 */
const char* predictor_opengauss_options(int op, int join_type);

/*
 * The text that stands for a condition whose own is not known: its shape, which has no literals.
 * `out` holds PREDICTOR_OPENGAUSS_SHAPE_SIZE bytes.
 */
void predictor_opengauss_shape(uint64_t predicate, char* out);

/*
 * The encoding of a node of PostgreSQL's: with the hashes of its texts where the node has them,
 * else with those of its shape and of an empty projection. Otherwise as
 * predictor_opengauss_encode().
 */
size_t predictor_opengauss_encode_node(const PredictorNode* node, char* out);

#ifdef __cplusplus
}
#endif

#endif
