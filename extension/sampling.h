/*
 * sampling.h - which statements are worth a record, and how much of it; pure decisions from what is
 * known of a plan. The bound on records per second is in shared.h.
 */
#ifndef PREDICTOR_SAMPLING_H
#define PREDICTOR_SAMPLING_H

#include "postgres.h"

#include "nodes/plannodes.h"

#include "extension/aggregates.h"
#include "extension/fingerprint.h"
#include "plan/plan_record.h"

/*
 * How much of a second's captures may be used up before a record of this plan: all for a rare plan,
 * and less with each doubling of its executions. So plans that are seldom run are not crowded out
 * by those that run all the time.
 */
extern double sampling_share(const PlanHistory *history);

/* Would each execution of this plan be recorded, were there no bound on records per second? */
extern bool sampling_is_rare(const PlanHistory *history);

/*
 * Is the plan expected to run so long that describing it is not noticed? Then it is described in any
 * case: only a described statement can be recorded when it is cancelled.
 */
extern bool sampling_is_expensive(const PlanHistory *history, const PlannedStmt *plan,
								  const Fingerprint *fingerprint);

/*
 * How the nodes of a wanted statement are to be measured, as an instrument_options value. A share of
 * predictor.operator_sample_rate is measured. Of that, plans that timers would slow down by more than
 * half of their time get timers the less often, and rows alone otherwise: so no plan loses more than
 * about half that share of its time. At a rate of 1 all get timers: who sets that wants them.
 */
extern int	sampling_instrumentation(const PlanHistory *history, const PlannedStmt *plan,
									 const Fingerprint *fingerprint);

/* Learns what reading the clock costs here; once, when the library is loaded. */
extern void sampling_init(void);

/* Is this time, as aggregates_log() gives it, far from what the plan took before, up or down? */
extern bool sampling_is_unusual(const PlanHistory *history, double log_time);

/* Is the time of a finished statement far outside of the interval that was predicted, if one was? */
extern bool sampling_is_badly_predicted(const PredictorStatement *statement);

#endif
