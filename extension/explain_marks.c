/*
 * explain_marks.c - sets the marks in a plan that is being explained, and takes them out again; see
 * explain_marks.h.
 *
 * Lifetime of the marks. The executor reads plan_width (hash joins, hash aggregates), auto_explain and
 * our capture print or record it, and a cached plan is used again. So marks exist only while EXPLAIN
 * prints: from the end of standard_ExecutorFinish - with nothing to run, of standard_ExecutorStart -
 * to the beginning of ExecutorEnd; and whatever way the command ends, the widths are put back.
 * While an EXPLAIN of ours runs, our executor hooks are the outermost ones, whatever was loaded when;
 * at its end the hooks are as they were.
 *
 * Which plans are meant. The ones that EXPLAIN itself starts: they carry the very pointer of the
 * command's text, or of the prepared statement's. What functions, triggers or the planner run in
 * between has texts of its own; commands that functions run find us switched off.
 *
 * COSTS OFF. PostgreSQL then prints with costs all the same, since it must print the widths. What else
 * it prints only with costs - a summary of JIT, also of each worker's, and HashAggregate's planned
 * partitions - is hidden from it as long as the marks are there, or marked too.
 */
#include "postgres.h"

#include "extension/explain_marks.h"

#if PG_VERSION_NUM < 180000

#include "executor/executor.h"
#include "jit/jit.h"
#include "nodes/execnodes.h"

#include "extension/compat.h"

MarkedExplain *explain_active = NULL;
bool		explain_hooks_are_stuck = false;

/* Our executor hooks are set while hook_depth > 0. */
static int	hook_depth = 0;
static ExecutorStart_hook_type prev_start;
static ExecutorFinish_hook_type prev_finish;
static ExecutorEnd_hook_type prev_end;

static int
allocate_mark(MarkedExplain *explain, const MarkedNode *node)
{
	MarkedOutput *output = &explain->output;

	if (output->node_count == explain->node_capacity)
	{
		explain->node_capacity = Max(64, explain->node_capacity * 2);
		output->nodes = output->nodes == NULL
			? MemoryContextAlloc(explain->request.context, sizeof(MarkedNode) * explain->node_capacity)
			: repalloc(output->nodes, sizeof(MarkedNode) * explain->node_capacity);
	}
	output->nodes[output->node_count] = *node;
	return output->first_mark + output->node_count++;
}

/* EXPLAIN prints a SubPlan once, though several expressions may lead to it. */
static bool
is_marked(const MarkedExplain *explain, const Plan *plan)
{
	return plan->plan_width >= explain->output.first_mark &&
		plan->plan_width - explain->output.first_mark < explain->output.node_count;
}

static void
mark_node(MarkedExplain *explain, PlanState *state, const PredictorNodePrediction *prediction)
{
	MarkedPlan *plan = &explain->plan;
	MarkedNode	node = {state->plan->plan_width, prediction, plan->answer, 0};
	ChangedNode *changed;

	/* EXPLAIN does not show the Gather that debug_parallel_query puts on top */
	if (is_marked(explain, state->plan) ||
		(IsA(state->plan, Gather) && ((Gather *) state->plan)->invisible))
		return;
	if (plan->count == plan->capacity)
	{
		plan->capacity = Max(64, plan->capacity * 2);
		plan->changed = plan->changed == NULL
			? MemoryContextAlloc(explain->request.context, sizeof(ChangedNode) * plan->capacity)
			: repalloc(plan->changed, sizeof(ChangedNode) * plan->capacity);
	}
	changed = &plan->changed[plan->count];
	changed->state = state;
	changed->worker_jit = state->worker_jit_instrument;
	changed->partitions = IsA(state, AggState) ? ((AggState *) state)->hash_planned_partitions : 0;
	state->plan->plan_width = allocate_mark(explain, &node);
	plan->count++;
	if (!explain->output.hide_costs)
		return;
	/* these are printed only together with costs */
	state->worker_jit_instrument = NULL;
	if (IsA(state, AggState))
		((AggState *) state)->hash_planned_partitions =
			explain->output.format == EXPLAIN_FORMAT_TEXT ? 0 : state->plan->plan_width;
}

static bool
mark_tree(PlanState *state, MarkedExplain *explain)
{
	mark_node(explain, state, NULL);
	return walk_planstate(state, mark_tree, explain);
}

static void
set_marks(MarkedExplain *explain)
{
	MarkedPlan *plan = &explain->plan;
	EState	   *estate = plan->queryDesc->estate;
	Answer	   *answer = plan->answer;

	plan->is_marked = true;
	plan->count = 0;
	plan->jit_flags = estate->es_jit_flags;
	for (int i = 0; answer != NULL && i < answer->node_count; i++)
		mark_node(explain, answer->extract->states[i], &answer->nodes[i]);
	if (answer == NULL)
		mark_tree(plan->queryDesc->planstate, explain);
	if (explain->output.hide_costs)
		estate->es_jit_flags &= ~PGJIT_PERFORM;
}

void
explain_remove_marks(MarkedExplain *explain)
{
	MarkedPlan *plan = &explain->plan;

	if (!plan->is_marked)
		return;
	for (int i = 0; i < plan->count; i++)
	{
		ChangedNode *changed = &plan->changed[i];
		PlanState  *state = changed->state;
		int			index = state->plan->plan_width - explain->output.first_mark;

		state->plan->plan_width = explain->output.nodes[index].width;
		state->worker_jit_instrument = changed->worker_jit;
		if (IsA(state, AggState))
			((AggState *) state)->hash_planned_partitions = changed->partitions;
	}
	plan->queryDesc->estate->es_jit_flags = plan->jit_flags;
	plan->is_marked = false;
}

/* Executor hooks, set while an EXPLAIN of ours runs */

static void
explain_start(QueryDesc *queryDesc, int eflags)
{
	bool		is_explained = explain_active != NULL &&
		(queryDesc->instrument_options != 0 || (eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0) &&
		(queryDesc->sourceText == explain_active->source ||
		 queryDesc->sourceText == explain_active->prepared_source);

	if (prev_start)
		prev_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
	if (!is_explained)
		return;
	explain_active->plan.queryDesc = queryDesc;
	explain_active->plan.answer = explain_predict(&explain_active->request, queryDesc);
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0 &&
		(explain_active->plan.answer != NULL || explain_active->output.hide_costs))
		set_marks(explain_active);
}

static void
explain_finish(QueryDesc *queryDesc)
{
	if (prev_finish)
		prev_finish(queryDesc);
	else
		standard_ExecutorFinish(queryDesc);
	if (explain_active != NULL && explain_active->plan.queryDesc == queryDesc &&
		(explain_active->plan.answer != NULL || explain_active->output.hide_costs))
		set_marks(explain_active);
}

static void
explain_end(QueryDesc *queryDesc)
{
	if (explain_active != NULL && explain_active->plan.queryDesc == queryDesc)
	{
		explain_remove_marks(explain_active);
		explain_active->plan.queryDesc = NULL;
	}
	if (prev_end)
		prev_end(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);
}

void
explain_set_hooks(void)
{
	if (hook_depth++ > 0)
		return;
	prev_start = ExecutorStart_hook;
	prev_finish = ExecutorFinish_hook;
	prev_end = ExecutorEnd_hook;
	ExecutorStart_hook = explain_start;
	ExecutorFinish_hook = explain_finish;
	ExecutorEnd_hook = explain_end;
}

void
explain_reset_hooks(void)
{
	if (--hook_depth > 0)
		return;
	if (ExecutorStart_hook == explain_start && ExecutorFinish_hook == explain_finish &&
		ExecutorEnd_hook == explain_end)
	{
		ExecutorStart_hook = prev_start;
		ExecutorFinish_hook = prev_finish;
		ExecutorEnd_hook = prev_end;
	}
	else
		explain_hooks_are_stuck = true;
}

#endif
