/*
 * facade.h - what C may ask of plan/: the noexcept border between PostgreSQL's C and our C++.
 *
 * No function here raises, longjmps, keeps a lock or calls back into PostgreSQL. Memory that a
 * function returns is malloc'ed and freed by its own close function; everything else is the
 * caller's. Errors come back as a status and a text in the caller's buffer.
 */
#ifndef PREDICTOR_FACADE_H
#define PREDICTOR_FACADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/operators.h"
#include "plan/partial.h"
#include "plan/plan_record.h"
#include "plan/predicate_tokens.h"

#ifdef __cplusplus
extern "C"
{
#define PREDICTOR_NOEXCEPT noexcept
#else
#define PREDICTOR_NOEXCEPT
#endif

/* A running hash of a node's predicates; plain data, lives on the caller's stack. */
typedef struct PredictorPredicate
{
	uint64_t	opaque[14];
} PredictorPredicate;

/* Tokens of the normal form: see plan/predicate_tokens.h. */
extern void predictor_predicate_init(PredictorPredicate *p, uint64_t k0, uint64_t k1) PREDICTOR_NOEXCEPT;
extern void predictor_predicate_begin(PredictorPredicate *p, PredictorRole role) PREDICTOR_NOEXCEPT;
extern void predictor_predicate_end(PredictorPredicate *p) PREDICTOR_NOEXCEPT;
extern void predictor_predicate_word(PredictorPredicate *p, PredictorToken kind, const char *text) PREDICTOR_NOEXCEPT;
extern void predictor_predicate_mark(PredictorPredicate *p, PredictorToken kind, uint64_t number) PREDICTOR_NOEXCEPT;
extern void predictor_predicate_list(PredictorPredicate *p, size_t length) PREDICTOR_NOEXCEPT;

/* The content of a value or of an element, in canonical form or brought into it. */
extern void predictor_predicate_content(PredictorPredicate *p, PredictorValue value_class,
										const void *bytes, size_t length) PREDICTOR_NOEXCEPT;
extern void predictor_predicate_decimal(PredictorPredicate *p, const char *text) PREDICTOR_NOEXCEPT;
extern void predictor_predicate_integer(PredictorPredicate *p, int64_t number) PREDICTOR_NOEXCEPT;
extern void predictor_predicate_double(PredictorPredicate *p, double number) PREDICTOR_NOEXCEPT;
extern void predictor_predicate_float(PredictorPredicate *p, float number) PREDICTOR_NOEXCEPT;

/* writes predicate, selection, links, constants, coarse and clauses of the node */
extern void predictor_predicate_result(const PredictorPredicate *p, PredictorNode *node) PREDICTOR_NOEXCEPT;

/* Identity of a relation or an index; never 0. */
extern uint64_t predictor_identity(const char *schema, const char *name) PREDICTOR_NOEXCEPT;

/* Fills the statement's signature and constants from its nodes. */
extern void predictor_sign(PredictorRecord *record) PREDICTOR_NOEXCEPT;

/* The signature of each node's sub-plan: see plan/signature.h. */
extern void predictor_subplan_signatures(const PredictorRecord *record, uint64_t *out) PREDICTOR_NOEXCEPT;

/* The codec; see plan/codec.h. encode returns bytes written or 0, decode 0 or a status. */
extern size_t predictor_encoded_size(int node_count) PREDICTOR_NOEXCEPT;
extern size_t predictor_encode(const PredictorRecord *record, void *out, size_t size) PREDICTOR_NOEXCEPT;
extern int	predictor_peek_node_count(const void *in, size_t size) PREDICTOR_NOEXCEPT;
extern int	predictor_decode(const void *in, size_t size, PredictorStatement *statement,
							 PredictorNode *nodes, int capacity, int *node_count,
							 size_t *consumed) PREDICTOR_NOEXCEPT;
extern const char *predictor_decode_text(int status) PREDICTOR_NOEXCEPT;
#define PREDICTOR_STREAM_HEADER_SIZE 16
extern void predictor_stream_header(void *out) PREDICTOR_NOEXCEPT;

/* Prediction; the C twins of plan/predict.h, same units. */
typedef struct PredictorNodePrediction
{
	float		startup_ms;
	float		total_ms;
	float		low_ms;
	float		high_ms;
	float		rows;
	float		loops;
	float		memory_kb;
} PredictorNodePrediction;

typedef struct PredictorPlanPrediction
{
	double		total_ms;
	double		low_ms;
	double		high_ms;
	double		rows;
	double		memory_kb;
	uint8_t		source;			/* see predictor_source_text() */
	bool		out_of_distribution;
	double		strangeness;	/* 0 to 1, see plan/predict.h */
} PredictorPlanPrediction;

typedef struct PredictorModel PredictorModel;

/*
 * Verifies and opens a bundle. The bytes must be aligned to 8 and outlive the model. Returns NULL
 * and a text in `error` if the bundle is refused or memory is short.
 */
extern PredictorModel *predictor_model_open(const void *bytes, size_t size,
											char *error, size_t error_size) PREDICTOR_NOEXCEPT;
/* The same for bytes that were verified before: reads neither checksum nor canary. */
extern PredictorModel *predictor_model_attach(const void *bytes, size_t size,
											  char *error, size_t error_size) PREDICTOR_NOEXCEPT;
/* Which key the constants were hashed with that the model knows; 0: it knows none. */
extern uint64_t predictor_model_key_id(const PredictorModel *model) PREDICTOR_NOEXCEPT;
extern void predictor_model_close(PredictorModel *model) PREDICTOR_NOEXCEPT;
extern size_t predictor_model_workspace(const PredictorModel *model, int node_count) PREDICTOR_NOEXCEPT;
extern void predictor_model_predict(const PredictorModel *model, const PredictorRecord *record,
									void *workspace, PredictorNodePrediction *nodes,
									PredictorPlanPrediction *plan) PREDICTOR_NOEXCEPT;
extern const char *predictor_source_text(int source) PREDICTOR_NOEXCEPT;

/* In a record's predicted_source, beside the source: the plan was unlike those of the training. */
#define PREDICTOR_OUT_OF_DISTRIBUTION 0x80

/* SHA-256 by OpenSSL; false if it could not be computed. */
extern bool predictor_sha256(const void *data, size_t size, uint8_t *digest) PREDICTOR_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif
