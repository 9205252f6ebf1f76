/*
 * compat.h - the differences between PostgreSQL 14 and 18, in one place.
 */
#ifndef PREDICTOR_COMPAT_H
#define PREDICTOR_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 140000 || PG_VERSION_NUM >= 190000
#error "Predictor supports PostgreSQL 14 to 18"
#endif

#include "executor/instrument.h"
#include "funcapi.h"
#include "nodes/nodeFuncs.h"
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "utils/wait_event.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "extension/sql_version.h"

#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#define random_fraction() pg_prng_double(&pg_global_prng_state)
#else
#define random_fraction() ((double) random() / ((double) MAX_RANDOM_VALUE + 1.0))
#endif

/* InstrAlloc: async_mode came with 14. */
#define instr_alloc_timer() InstrAlloc(1, INSTRUMENT_TIMER, false)

/* The monotonic clock. An instr_time is a number of nanoseconds since 16. */
static inline uint64
clock_nanoseconds(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
#if PG_VERSION_NUM >= 160000
	return (uint64) INSTR_TIME_GET_NANOSEC(now);
#else
	return (uint64) now.tv_sec * UINT64CONST(1000000000) + (uint64) now.tv_nsec;
#endif
}

/* The time of the last tick, where the system has it: some milliseconds old and much cheaper. */
static inline uint64
coarse_nanoseconds(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64) now.tv_sec * UINT64CONST(1000000000) + (uint64) now.tv_nsec;
#else
	return clock_nanoseconds();
#endif
}

/* ExecutorRun lost execute_once in 18. */
#if PG_VERSION_NUM >= 180000
#define EXECUTOR_RUN_PARAMS QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define EXECUTOR_RUN_ARGS queryDesc, direction, count
#else
#define EXECUTOR_RUN_PARAMS QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define EXECUTOR_RUN_ARGS queryDesc, direction, count, execute_once
#endif

/* A function's result as a materialized set, of a known version (sql_version.h): 14 lacks the function for it. */
#if PG_VERSION_NUM >= 150000
#define begin_set_result(fcinfo) (sql_version_require(), InitMaterializedSRF(fcinfo, 0))
#else
extern void begin_set_result(FunctionCallInfo fcinfo);
#endif

/* planstate_tree_walker and expression_tree_walker are typed from 16 on. */
#if PG_VERSION_NUM >= 160000
#define walk_planstate(ps, fn, ctx) planstate_tree_walker(ps, fn, ctx)
#define walk_expression(node, fn, ctx) expression_tree_walker(node, fn, ctx)
#else
#define walk_planstate(ps, fn, ctx) planstate_tree_walker(ps, (bool (*) ()) (fn), (void *) (ctx))
#define walk_expression(node, fn, ctx) expression_tree_walker(node, (bool (*) ()) (fn), (void *) (ctx))
#endif

/* Of an Append or a MergeAppend: may partitions go when it starts? */
#if PG_VERSION_NUM >= 180000
#define PRUNES_PARTITIONS(plan) ((plan)->part_prune_index >= 0)
#else
#define PRUNES_PARTITIONS(plan) ((plan)->part_prune_info != NULL)
#endif

/* Wait events of an extension have names from 17 on. */
#if PG_VERSION_NUM >= 170000
#define DEFINE_WAIT_EVENT(fn, name) \
	static uint32 fn(void) \
	{ \
		static uint32 event = 0; \
		if (event == 0) \
			event = WaitEventExtensionNew(name); \
		return event; \
	}
#else
#define DEFINE_WAIT_EVENT(fn, name) \
	static uint32 fn(void) \
	{ \
		return PG_WAIT_EXTENSION; \
	}
#endif

/* A wait event set belongs to a memory context up to 16, to a resource owner (or nobody) since. */
#if PG_VERSION_NUM >= 170000
#define create_wait_event_set(size) CreateWaitEventSet(NULL, size)
#else
#define create_wait_event_set(size) CreateWaitEventSet(CurrentMemoryContext, size)
#endif

#endif
