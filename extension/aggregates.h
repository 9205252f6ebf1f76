/*
 * aggregates.h - what every finished statement leaves behind: a few numbers for each plan.
 *
 * A hash of fixed size in shared memory (predictor.max_plans), in sets of AGGREGATE_WAYS entries; a
 * new plan takes the place of the one in its set that was used longest ago. A plan is known by its
 * database, query id and fingerprint.
 *
 * Locking rules:
 *  - The sets are divided among AGGREGATE_PARTITIONS locks. A hook takes a lock only conditionally:
 *    shared to add (the numbers are atomics, so that statements of one plan do not wait for each
 *    other), exclusive for the moment in which a plan enters. Who does not get the lock gives up and
 *    counts.
 *  - An entry's key, query_id and database change under the exclusive lock alone.
 *  - Who only looks takes no lock, and believes what it saw if the key is the same before and after.
 *  - Numbers that belong together may be read a moment apart: a mean can be off by the execution
 *    that ends just now.
 */
#ifndef PREDICTOR_AGGREGATES_H
#define PREDICTOR_AGGREGATES_H

#include "postgres.h"

#include "storage/lwlock.h"

#define AGGREGATE_PARTITIONS 64
#define AGGREGATE_WAYS 8

typedef struct PlanKey
{
	uint64		key;			/* over all of it; never 0 */
	uint64		query_id;
} PlanKey;

/* What is known of a plan when a statement starts. */
typedef struct PlanHistory
{
	uint64		calls;
	uint64		measured;		/* executions in mean and deviation */
	double		mean;			/* of log2 of milliseconds */
	double		variance;
} PlanHistory;

extern Size aggregates_shmem_size(void);
extern void aggregates_shmem_init(LWLockPadded *locks);

/* The scale of mean and variance: log2 of milliseconds. */
extern double aggregates_log(uint64 nanoseconds);

extern PlanKey aggregates_key(uint64 query_id, uint64 fingerprint);

/* *history is all zero if nothing is known; of another process's executions it may lack the last. */
extern void aggregates_look(const PlanKey *key, PlanHistory *history);

/*
 * One more execution. `log_time` is aggregates_log() of its time if that is the whole plan's without
 * timers in it, so that it may enter mean and variance; else NaN.
 */
extern void aggregates_add(const PlanKey *key, uint64 nanoseconds, double log_time);

/* The transaction ends: executions that this process has kept to itself until now become everybody's. */
extern void aggregates_settle(void);

#endif
