/*
 * sampling.c - see sampling.h.
 */
#include "postgres.h"

#include <math.h>

#include "executor/instrument.h"
#include "port/pg_bitutils.h"

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
#define EXPENSIVE_NODE_LOG (-2.4)	/* aggregates_log() of a little less: what is below costs no exp2() */
/* What timers may add to a plan's time before it gets them less often. */
#define TIMER_SHARE 0.5
/* What the planner's cost unit takes, roughly, where nothing better is known. */
#define MS_PER_COST 0.01

/* In deviations, but at least a factor of 2; both in log2. */
#define UNUSUAL_DEVIATIONS 4
#define UNUSUAL_LEAST 1.0
#define UNUSUAL_FROM_CALLS 16
/* The interval is left by one statement in ten by design; by this factor it is not. */
#define BADLY_PREDICTED 2

#define CLOCK_READINGS 1000
static double clock_cost = 0;	/* of one reading, in ms; the same in all processes */

bool
sampling_is_rare(const PlanHistory *history)
{
	return history->calls < RARE_CALLS;
}

double
sampling_share(const PlanHistory *history)
{
	int			doublings;

	if (sampling_is_rare(history))
		return 1;
	doublings = pg_leftmost_one_pos64(history->calls / RARE_CALLS);
	return 1 - (1 - COMMON_SHARE) * Min((double) doublings / COMMON_DOUBLINGS, 1);
}

/* What the plan is expected to take, in ms. */
static double
expected_time(const PlanHistory *history, const PlannedStmt *plan)
{
	return history->measured > 0 ? exp2(history->mean) : plan->planTree->total_cost * MS_PER_COST;
}

bool
sampling_is_expensive(const PlanHistory *history, const PlannedStmt *plan,
					  const Fingerprint *fingerprint)
{
	if (history->measured > 0 && history->mean < EXPENSIVE_NODE_LOG)
		return false;
	return expected_time(history, plan) >= EXPENSIVE_NODE_MS * fingerprint->nodes;
}

int
sampling_instrumentation(const PlanHistory *history, const PlannedStmt *plan,
						 const Fingerprint *fingerprint)
{
	double		timer_cost = fingerprint->calls * 2 * clock_cost;

	if (predictor_capture == CAPTURE_STATEMENT ||
		random_fraction() >= predictor_operator_sample_rate)
		return 0;
	if (predictor_capture == CAPTURE_OPERATORS &&
		(predictor_operator_sample_rate >= 1 ||
		 random_fraction() * timer_cost < TIMER_SHARE * expected_time(history, plan)))
		return INSTRUMENT_TIMER | INSTRUMENT_ROWS;
	return INSTRUMENT_ROWS;
}

void
sampling_init(void)
{
	uint64		started = clock_nanoseconds();
	uint64		now = started;

	for (int i = 0; i < CLOCK_READINGS; i++)
		now = clock_nanoseconds();
	clock_cost = (now - started) / 1e6 / CLOCK_READINGS;
}

bool
sampling_is_unusual(const PlanHistory *history, double log_time)
{
	double		distance = fabs(log_time - history->mean);

	return history->measured >= UNUSUAL_FROM_CALLS && distance > UNUSUAL_LEAST &&
		distance * distance > UNUSUAL_DEVIATIONS * UNUSUAL_DEVIATIONS * history->variance;
}

bool
sampling_is_badly_predicted(const PredictorStatement *statement)
{
	if (!(statement->predicted_high > 0))
		return false;			/* NaN or 0: there was no prediction */
	return statement->total_time > statement->predicted_high * BADLY_PREDICTED ||
		statement->total_time * BADLY_PREDICTED < statement->predicted_low;
}
