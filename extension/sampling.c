/*
 * sampling.c - see sampling.h.
 */
#include "postgres.h"

#include <math.h>

#include "executor/instrument.h"

#include "extension/compat.h"
#include "extension/sampling.h"
#include "extension/settings.h"

/* A plan is rare up to so many executions. */
#define RARE_CALLS 64
/* What the commonest plans may use, and how many doublings away from rare they are. */
#define COMMON_SHARE 0.5
#define COMMON_DOUBLINGS 16

/* Describing a node takes a few microseconds: one percent of this. */
#define EXPENSIVE_NODE_MS 0.2
/* What the planner's cost unit takes, roughly, where nothing better is known. */
#define MS_PER_COST 0.01

/* In deviations, but at least a factor of 2; both in log2. */
#define UNUSUAL_DEVIATIONS 4
#define UNUSUAL_LEAST 1.0
#define UNUSUAL_FROM_CALLS 16

double
sampling_share(const PlanHistory *history)
{
	double		doublings;

	if (history->calls < RARE_CALLS)
		return 1;
	doublings = log2(history->calls / (double) RARE_CALLS);
	return 1 - (1 - COMMON_SHARE) * Min(doublings / COMMON_DOUBLINGS, 1);
}

bool
sampling_is_expensive(const PlanHistory *history, const PlannedStmt *plan, int nodes)
{
	double		expected = history->measured > 0 ? exp2(history->mean) :
		plan->planTree->total_cost * MS_PER_COST;

	return expected >= EXPENSIVE_NODE_MS * nodes;
}

int
sampling_instrumentation(void)
{
	if (predictor_capture == CAPTURE_STATEMENT ||
		random_fraction() >= predictor_operator_sample_rate)
		return 0;
	return predictor_capture == CAPTURE_OPERATORS ?
		INSTRUMENT_TIMER | INSTRUMENT_ROWS : INSTRUMENT_ROWS;
}

bool
sampling_is_unusual(const PlanHistory *history, uint64 nanoseconds)
{
	double		distance;

	if (history->measured < UNUSUAL_FROM_CALLS)
		return false;
	distance = fabs(aggregates_log(nanoseconds) - history->mean);
	return distance > Max(UNUSUAL_LEAST, UNUSUAL_DEVIATIONS * history->deviation);
}
