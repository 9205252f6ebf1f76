/*
 * capture_statements.h - the statements that this backend is executing and that capture looks at.
 *
 * An array of fixed size; the descriptions in it live in the statement's own per-query memory context.
 * An entry ends with its statement; one whose statement was dropped without ExecutorEnd stays until
 * another QueryDesc gets the same address (ExecutorStart looks for that), its place is needed, or the
 * transaction ends. So its pointers may dangle, and are never followed unless the QueryDesc itself is
 * passed to a hook.
 */
#ifndef PREDICTOR_CAPTURE_STATEMENTS_H
#define PREDICTOR_CAPTURE_STATEMENTS_H

#include "postgres.h"

#include "executor/execdesc.h"

#include "extension/aggregates.h"
#include "extension/client_time.h"
#include "extension/extract.h"

typedef struct Statement
{
	QueryDesc  *queryDesc;		/* NULL: not used */
	PlanKey		key;
	PlanHistory history;		/* as it was when the statement started */
	bool		running;		/* inside ExecutorRun or Finish: the entry may not be reused */
	bool		forgotten;		/* neither aggregate nor record */
	bool		wanted;			/* a record is wanted whatever time it takes */
	bool		lost;			/* it could not be described, which is counted */
	bool		complete;		/* the last run reached the end of the result */
	double		planning_ms;	/* NaN: it was not planned for this execution */
	uint64		start_ns;		/* in ExecutorStart, if described */
	uint64		spent_ns;		/* in ExecutorRun and Finish so far */
	Extract    *extract;		/* NULL: not described */
	ClientTime	client;			/* used if described */
} Statement;

/* Of a statement that is looked at; else NULL. */
extern Statement *find_statement(const QueryDesc *queryDesc);

/* An entry for a new statement, if need be that of another; NULL if all of them are running. */
extern Statement *take_statement(QueryDesc *queryDesc);

/* Gives the entry back. NULL is none. */
extern void release_statement(Statement *statement);

/* Is there any? */
extern bool have_statements(void);

/* At the end of a transaction all are gone. */
extern void capture_statements_init(void);

#endif
