/*
 * extract_actuals.c - from the instrumentation of a plan that ran to the measured half of a record.
 *
 * Everything here may run while an error passes through the executor's hooks: it allocates nothing,
 * reads no catalog and calls nothing that can raise. Instrumentation that an error left in the
 * middle of a node's call is not touched.
 *
 * Under a Gather the leader's instrumentation holds the sum over all participants once the workers
 * are gone, and worker_instrument each worker's own: times and rows are the mean per loop, as
 * EXPLAIN prints them, and the wall-clock time is that of the participant that took longest.
 */
#include "postgres.h"

#include <math.h>

#include "executor/hashjoin.h"
#include "executor/instrument.h"
#include "jit/jit.h"
#include "nodes/execnodes.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"
#include "utils/tuplestore.h"

#include "extension/compat.h"
#include "extension/extract.h"

/* ---- memory, in kB, rounded as EXPLAIN does ---- */

static void
add_memory(PredictorNode *node, double kilobytes)
{
	if (kilobytes > 0 && !(node->actual_memory >= kilobytes))
		node->actual_memory = kilobytes;
}

static void
add_disk(PredictorNode *node, double kilobytes)
{
	if (kilobytes > 0 && !(node->actual_disk >= kilobytes))
		node->actual_disk = kilobytes;
}

static double
kilobytes(Size bytes)
{
	return (double) ((bytes + 1023) / 1024);
}

static void
read_hash(HashState *hash, PredictorNode *node)
{
	Size		peak = 0;
	int			batches = 0;

	if (hash->hinstrument != NULL)
	{
		peak = hash->hinstrument->space_peak;
		batches = hash->hinstrument->nbatch;
	}
	if (hash->shared_info != NULL)
		for (int i = 0; i < hash->shared_info->num_workers; i++)
		{
			peak = Max(peak, hash->shared_info->hinstrument[i].space_peak);
			batches = Max(batches, hash->shared_info->hinstrument[i].nbatch);
		}
	add_memory(node, kilobytes(peak));
	node->actual_batches = batches;
}

static void
read_sort_space(const TuplesortInstrumentation *stats, PredictorNode *node)
{
	if (stats->spaceType == SORT_SPACE_TYPE_MEMORY)
		add_memory(node, stats->spaceUsed);
	else
		add_disk(node, stats->spaceUsed);
}

static void
read_sort(SortState *sort, PredictorNode *node)
{
	TuplesortInstrumentation stats;

	if (sort->sort_Done && sort->tuplesortstate != NULL)
	{
		tuplesort_get_stats((Tuplesortstate *) sort->tuplesortstate, &stats);
		read_sort_space(&stats, node);
	}
	if (sort->shared_info != NULL)
		for (int i = 0; i < sort->shared_info->num_workers; i++)
			if (sort->shared_info->sinstrument[i].sortMethod != SORT_TYPE_STILL_IN_PROGRESS)
				read_sort_space(&sort->shared_info->sinstrument[i], node);
}

static void
read_sort_group(const IncrementalSortGroupInfo *group, PredictorNode *node)
{
	if (group->groupCount <= 0)
		return;
	add_memory(node, group->maxMemorySpaceUsed);
	add_disk(node, group->maxDiskSpaceUsed);
}

static void
read_incremental_sort(IncrementalSortState *sort, PredictorNode *node)
{
	read_sort_group(&sort->incsort_info.fullsortGroupInfo, node);
	read_sort_group(&sort->incsort_info.prefixsortGroupInfo, node);
	if (sort->shared_info == NULL)
		return;
	for (int i = 0; i < sort->shared_info->num_workers; i++)
	{
		read_sort_group(&sort->shared_info->sinfo[i].fullsortGroupInfo, node);
		read_sort_group(&sort->shared_info->sinfo[i].prefixsortGroupInfo, node);
	}
}

static void
read_aggregate(AggState *agg, PredictorNode *node)
{
	if (agg->aggstrategy != AGG_HASHED && agg->aggstrategy != AGG_MIXED)
		return;
	add_memory(node, kilobytes(agg->hash_mem_peak));
	add_disk(node, agg->hash_disk_used);
	node->actual_batches = agg->hash_batches_used;
	if (agg->shared_info == NULL)
		return;
	for (int i = 0; i < agg->shared_info->num_workers; i++)
	{
		const AggregateInstrumentation *worker = &agg->shared_info->sinstrument[i];

		add_memory(node, kilobytes(worker->hash_mem_peak));
		add_disk(node, worker->hash_disk_used);
		node->actual_batches = Max(node->actual_batches, worker->hash_batches_used);
	}
}

static void
read_memoize(MemoizeState *memoize, PredictorNode *node)
{
	/* mem_peak is set when the cache first had to give something up */
	add_memory(node, kilobytes(Max(memoize->stats.mem_peak, memoize->mem_used)));
	if (memoize->shared_info != NULL)
		for (int i = 0; i < memoize->shared_info->num_workers; i++)
			add_memory(node, kilobytes(memoize->shared_info->sinstrument[i].mem_peak));
}

#if PG_VERSION_NUM >= 180000
/* 18 measures what a tuplestore held at most. */
static void
read_tuplestore(Tuplestorestate *store, PredictorNode *node)
{
	char	   *type;
	int64		bytes;

	if (store == NULL)
		return;
	tuplestore_get_stats(store, &type, &bytes);
	if (strcmp(type, "Disk") == 0)
		add_disk(node, kilobytes(bytes));
	else
		add_memory(node, kilobytes(bytes));
}
#endif

static void
read_space(PlanState *state, PredictorNode *node)
{
	switch (nodeTag(state))
	{
		case T_HashState:
			read_hash((HashState *) state, node);
			break;
		case T_SortState:
			read_sort((SortState *) state, node);
			break;
		case T_IncrementalSortState:
			read_incremental_sort((IncrementalSortState *) state, node);
			break;
		case T_AggState:
			read_aggregate((AggState *) state, node);
			break;
		case T_MemoizeState:
			read_memoize((MemoizeState *) state, node);
			break;
#if PG_VERSION_NUM >= 180000
		case T_MaterialState:
			read_tuplestore(((MaterialState *) state)->tuplestorestate, node);
			break;
		case T_WindowAggState:
			read_tuplestore(((WindowAggState *) state)->buffer, node);
			break;
		case T_TableFuncScanState:
			read_tuplestore(((TableFuncScanState *) state)->tupstore, node);
			break;
		case T_CteScanState:
			if (((CteScanState *) state)->leader != NULL)
				read_tuplestore(((CteScanState *) state)->leader->cte_table, node);
			break;
#endif
		default:
			break;
	}
	if (!isnan(node->actual_memory))
		node->flags |= PREDICTOR_NODE_HAS_MEMORY;
}

/* ---- times, rows and blocks ---- */

static bool
is_join(PlanState *state)
{
	return IsA(state, NestLoopState) || IsA(state, MergeJoinState) || IsA(state, HashJoinState);
}

static void
read_removed(PlanState *state, const Instrumentation *instr, PredictorNode *node)
{
	if (is_join(state))
		node->actual_removed = (instr->nfiltered1 + instr->nfiltered2) / instr->nloops;
	else
	{
		node->actual_removed = instr->nfiltered1 / instr->nloops;
		node->actual_rechecked = instr->nfiltered2 / instr->nloops;
	}
}

static void
read_buffers(const Instrumentation *instr, PredictorNode *node)
{
	const BufferUsage *usage = &instr->bufusage;

	if (!instr->need_bufusage)
		return;
	node->flags |= PREDICTOR_NODE_HAS_BUFFERS;
	node->actual_hit = usage->shared_blks_hit + usage->local_blks_hit;
	node->actual_read = usage->shared_blks_read + usage->local_blks_read;
	node->actual_temp = usage->temp_blks_read + usage->temp_blks_written;
}

/* Of the participant that took longest; the leader's own share is what no worker reported. */
static double
wall_time(PlanState *state, const Instrumentation *instr)
{
	double		leader = instr->total;
	double		longest = 0;

	if (state->worker_instrument != NULL)
		for (int i = 0; i < state->worker_instrument->num_workers; i++)
		{
			double		worker = state->worker_instrument->instrument[i].total;

			leader -= worker;
			longest = Max(longest, worker);
		}
	return Max(longest, leader);
}

static void
read_times(PlanState *state, const Instrumentation *instr, PredictorNode *node)
{
	if (!instr->need_timer)
		return;
	node->flags |= PREDICTOR_NODE_HAS_TIME;
	node->actual_startup = instr->startup * 1000.0 / instr->nloops;
	node->actual_total = instr->total * 1000.0 / instr->nloops;
	node->actual_wall = wall_time(state, instr) * 1000.0;
}

static int
launched_workers(PlanState *state)
{
	if (IsA(state, GatherState))
		return ((GatherState *) state)->nworkers_launched;
	if (IsA(state, GatherMergeState))
		return ((GatherMergeState *) state)->nworkers_launched;
	return 0;
}

/* Ends the current loop; false where an error left the node in the middle of a call. */
static bool
end_loop(Instrumentation *instr)
{
	if (!INSTR_TIME_IS_ZERO(instr->starttime))
		return false;			/* InstrEndLoop would raise */
	InstrEndLoop(instr);
	return true;
}

static void
read_node(PlanState *state, PredictorNode *node, bool in_error)
{
	Instrumentation *instr = state->instrument;

	node->workers_launched = launched_workers(state);
	if (instr == NULL || !end_loop(instr))
		return;
	node->flags |= PREDICTOR_NODE_HAS_ROWS;
	node->actual_loops = instr->nloops;
	if (instr->nloops <= 0)
	{
		node->flags |= PREDICTOR_NODE_NEVER_EXECUTED;
		node->actual_rows = 0;
		return;
	}
	node->actual_rows = instr->ntuples / instr->nloops;
	read_removed(state, instr, node);
	read_buffers(instr, node);
	read_times(state, instr, node);
	if (!in_error)
		read_space(state, node);
}

/* ---- what did not run to its end ---- */

static void
mark_stopped(Extract *extract, int parent, PlanState *child)
{
	for (int i = parent + 1; i < extract->record.node_count; i++)
		if (extract->states[i] == child)
			extract->record.nodes[i].flags |= PREDICTOR_NODE_PARTIAL;
}

/* Nodes whose parent tells that it stopped asking before they had given everything. */
static void
mark_stopped_below(Extract *extract, int position)
{
	PlanState  *state = extract->states[position];

	if (IsA(state, LimitState))
	{
		LimitStateCond reached = ((LimitState *) state)->lstate;

		if (reached == LIMIT_WINDOWEND || reached == LIMIT_WINDOWEND_TIES)
			mark_stopped(extract, position, outerPlanState(state));
	}
	else if (IsA(state, MergeJoinState))
	{
		MergeJoinState *join = (MergeJoinState *) state;

		if (!TupIsNull(join->mj_OuterTupleSlot))
			mark_stopped(extract, position, outerPlanState(state));
		if (!TupIsNull(join->mj_InnerTupleSlot))
			mark_stopped(extract, position, innerPlanState(state));
	}
}

static void
mark_partial(Extract *extract, bool complete, bool in_error)
{
	PredictorRecord *record = &extract->record;

	for (int i = 0; i < record->node_count; i++)
	{
		if (in_error)
			record->nodes[i].flags |= PREDICTOR_NODE_PARTIAL;
		else
			mark_stopped_below(extract, i);
	}
	if (!complete)
		record->nodes[0].flags |= PREDICTOR_NODE_PARTIAL;
	predictor_spread_partial(record);
}

/* ---- the statement ---- */

static double
jit_milliseconds(const JitInstrumentation *jit)
{
	return INSTR_TIME_GET_MILLISEC(jit->generation_counter) +
		INSTR_TIME_GET_MILLISEC(jit->inlining_counter) +
		INSTR_TIME_GET_MILLISEC(jit->optimization_counter) +
		INSTR_TIME_GET_MILLISEC(jit->emission_counter);
}

static void
read_jit(EState *estate, PredictorStatement *statement)
{
	double		spent = 0;

	if (estate->es_jit != NULL)
		spent += jit_milliseconds(&estate->es_jit->instr);
	if (estate->es_jit_worker_instr != NULL)
		spent += jit_milliseconds(estate->es_jit_worker_instr);
	statement->jit_time = spent;
}

static double
trigger_milliseconds(List *results)
{
	ListCell   *cell;
	double		spent = 0;

	foreach(cell, results)
	{
		ResultRelInfo *result = lfirst(cell);

		if (result->ri_TrigDesc == NULL || result->ri_TrigInstrument == NULL)
			continue;
		for (int i = 0; i < result->ri_TrigDesc->numtriggers; i++)
			if (end_loop(&result->ri_TrigInstrument[i]))
				spent += result->ri_TrigInstrument[i].total * 1000.0;
	}
	return spent;
}

static void
read_statement(QueryDesc *queryDesc, PredictorStatement *statement)
{
	EState	   *estate = queryDesc->estate;
	int			options = queryDesc->instrument_options;

	read_jit(estate, statement);
	if (options & INSTRUMENT_TIMER)
	{
		statement->instrumentation = PREDICTOR_INSTRUMENT_TIMERS;
		statement->trigger_time = trigger_milliseconds(estate->es_opened_result_relations) +
			trigger_milliseconds(estate->es_tuple_routing_result_relations) +
			trigger_milliseconds(estate->es_trig_target_relations);
	}
	else
		statement->instrumentation = options != 0 ? PREDICTOR_INSTRUMENT_ROWS : PREDICTOR_INSTRUMENT_NONE;
	statement->finished_at = GetCurrentTimestamp();
}

void
extract_actuals(QueryDesc *queryDesc, Extract *extract, bool in_error)
{
	PredictorRecord *record = &extract->record;

	read_statement(queryDesc, &record->statement);
	if (record->statement.instrumentation == PREDICTOR_INSTRUMENT_NONE)
		return;
	for (int i = 0; i < record->node_count; i++)
		read_node(extract->states[i], &record->nodes[i], in_error);
	mark_partial(extract, (record->statement.flags & PREDICTOR_STATEMENT_PARTIAL) == 0, in_error);
}
