/*
 * expression_identity.h - what plan_identity.c's files share: the walk, and the part of it that expressions
 * have. Nobody else includes it.
 */
#ifndef PREDICTOR_EXPRESSION_IDENTITY_H
#define PREDICTOR_EXPRESSION_IDENTITY_H

#include "postgres.h"

#include "nodes/plannodes.h"

#include "extension/fingerprint.h"

typedef struct Walk
{
	uint64		hash;
	const PlannedStmt *statement;
	ParamListInfo params;
	int			steps;
	int			depth;			/* in an expression */
	bool		is_known;		/* false: there is something that the hash does not tell */
} Walk;

static inline void
add(Walk *walk, uint64 value)
{
	walk->hash = mix_bits(walk->hash, value);
}

static inline void
add_number(Walk *walk, double number)
{
	walk->hash = mix_number(walk->hash, number);
}

extern void add_bytes(Walk *walk, const void *bytes, Size length);

/* Counts a node, of a plan or an expression; false: there are too many to go on. */
extern bool may_step(Walk *walk);

extern void add_expression(Walk *walk, const Node *node);
extern void add_list(Walk *walk, const List *list);

#endif
