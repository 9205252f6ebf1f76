/*
 * utility_chain.h - what our ProcessUtility hooks have in common: their parameters, and the way on
 * from each of them. Every hook has a predecessor of its own, so it says which.
 */
#ifndef PREDICTOR_UTILITY_CHAIN_H
#define PREDICTOR_UTILITY_CHAIN_H

#include "postgres.h"

#include "tcop/utility.h"

#define UTILITY_PARAMS \
	PlannedStmt *pstmt, const char *queryString, bool readOnlyTree, ProcessUtilityContext context, \
	ParamListInfo params, QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc
#define UTILITY_ARGS pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc

/* Runs the command by the hook that was there before, or by PostgreSQL itself. */
static inline void
utility_next(ProcessUtility_hook_type previous, UTILITY_PARAMS)
{
	if (previous)
		previous(UTILITY_ARGS);
	else
		standard_ProcessUtility(UTILITY_ARGS);
}

#endif
