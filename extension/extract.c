/*
 * extract.c - see extract.h. One walk in EXPLAIN's order, used to count, to describe and so to
 * number the nodes; actuals are read node by node from the states remembered then
 * (extract_actuals.c).
 */
#include "postgres.h"

#include <math.h>

#include "executor/executor.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"

#include "extension/allocate.h"
#include "extension/compat.h"
#include "extension/extract.h"
#include "extension/extract_node.h"
#include "extension/extract_predicate.h"
#include "extension/server_state.h"
#include "plan/settings.h"

/* Is the setting not at its default? A version that lacks it does as its default says. */
#define IS_CHANGED_14(setting, by_default) ((setting) != (by_default))
#if PG_VERSION_NUM >= 160000
#define IS_CHANGED_16(setting, by_default) ((setting) != (by_default))
#else
#define IS_CHANGED_16(setting, by_default) false
#endif
#if PG_VERSION_NUM >= 170000
#define IS_CHANGED_17(setting, by_default) ((setting) != (by_default))
#else
#define IS_CHANGED_17(setting, by_default) false
#endif
#if PG_VERSION_NUM >= 180000
#define IS_CHANGED_18(setting, by_default) ((setting) != (by_default))
#else
#define IS_CHANGED_18(setting, by_default) false
#endif

/* Parts of expressions that are looked at in all nodes together: some ten milliseconds. */
#define MAX_PLAN_STEPS 100000

/* A walk either counts (extract NULL) or describes. */
typedef struct Visit
{
	Extract    *extract;
	QueryDesc  *queryDesc;
	const HashKey *key;
	int			count;
	const PredictorNode *known; /* not NULL: the nodes are taken from here */
	int			known_count;
	bool		differs;		/* from them */
} Visit;

static void visit(PlanState *state, int relationship, int parent, Visit *v);

static void
recall(Visit *v, int position, int relationship, int parent)
{
	PredictorNode *node = &v->extract->record.nodes[position];

	if (position >= v->known_count)
	{
		v->differs = true;
		return;
	}
	*node = v->known[position];
	if (node->relationship != relationship || node->parent != parent ||
		!describe_again(node, v->extract->states[position]->plan))
		v->differs = true;
}

static void
describe(Visit *v, int position, PlanState *state, int relationship, int parent)
{
	PredictorNode *node = &v->extract->record.nodes[position];

	v->extract->states[position] = state;
	if (v->known != NULL)
	{
		recall(v, position, relationship, parent);
		return;
	}
	predictor_clear_node(node);
	node->relationship = relationship;
	node->parent = parent;
	describe_node(v->extract, position, v->queryDesc);
	extract_predicate(v->extract, position, v->queryDesc, v->key);
}

static void
visit_array(PlanState **states, int count, int parent, Visit *v)
{
	for (int i = 0; i < count; i++)
		visit(states[i], PREDICTOR_REL_MEMBER, parent, v);
}

static void
visit_members(PlanState *state, int parent, Visit *v)
{
	ListCell   *cell;

	switch (nodeTag(state))
	{
		case T_AppendState:
			visit_array(((AppendState *) state)->appendplans,
						((AppendState *) state)->as_nplans, parent, v);
			break;
		case T_MergeAppendState:
			visit_array(((MergeAppendState *) state)->mergeplans,
						((MergeAppendState *) state)->ms_nplans, parent, v);
			break;
		case T_BitmapAndState:
			visit_array(((BitmapAndState *) state)->bitmapplans,
						((BitmapAndState *) state)->nplans, parent, v);
			break;
		case T_BitmapOrState:
			visit_array(((BitmapOrState *) state)->bitmapplans,
						((BitmapOrState *) state)->nplans, parent, v);
			break;
		case T_SubqueryScanState:
			visit(((SubqueryScanState *) state)->subplan, PREDICTOR_REL_SUBQUERY, parent, v);
			break;
		case T_CustomScanState:
			foreach(cell, ((CustomScanState *) state)->custom_ps)
				visit(lfirst(cell), PREDICTOR_REL_MEMBER, parent, v);
			break;
		default:
			break;
	}
}

/* A SubPlan that several expressions use is printed, and counted, once. */
static bool
is_known(PlanState *state, Visit *v)
{
	if (v->extract != NULL)
		for (int i = 0; i < v->count; i++)
			if (v->extract->states[i] == state)
				return true;
	return false;
}

static void
visit_subplans(List *subplans, int relationship, int parent, Visit *v)
{
	ListCell   *cell;

	foreach(cell, subplans)
	{
		PlanState  *state = ((SubPlanState *) lfirst(cell))->planstate;

		if (!is_known(state, v))
			visit(state, relationship, parent, v);
	}
}

static void
visit(PlanState *state, int relationship, int parent, Visit *v)
{
	int			self = v->count++;

	if (state == NULL || v->count > PREDICTOR_MAX_NODES)
	{
		v->count -= state == NULL;
		return;
	}
	if (v->extract != NULL)
		describe(v, self, state, relationship, parent);
	visit_subplans(state->initPlan, PREDICTOR_REL_INITPLAN, self, v);
	visit(outerPlanState(state), PREDICTOR_REL_OUTER, self, v);
	visit(innerPlanState(state), PREDICTOR_REL_INNER, self, v);
	visit_members(state, self, v);
	visit_subplans(state->subPlan, PREDICTOR_REL_SUBPLAN, self, v);
}

static Extract *
allocate(int count, MemoryContext context)
{
	Size		nodes = MAXALIGN(sizeof(PredictorNode) * count);
	Size		size = MAXALIGN(sizeof(Extract)) + nodes + sizeof(PlanState *) * count;
	Extract    *extract = allocate_or_null(context, size);

	if (extract == NULL)
		return NULL;
	memset(extract, 0, sizeof(*extract));
	extract->capacity = count;
	extract->steps_left = MAX_PLAN_STEPS;
	extract->record.nodes = (PredictorNode *) ((char *) extract + MAXALIGN(sizeof(Extract)));
	extract->states = (PlanState **) ((char *) extract->record.nodes + nodes);
	return extract;
}

/* Bits of the switches that are not at PostgreSQL's default. */
static uint32
planner_switches(void)
{
	uint32		switches = 0;

#define jit jit_enabled
#define X(bit, name, by_default, version) \
	if (IS_CHANGED_##version(name, by_default)) \
		switches |= UINT32_C(1) << bit;
	PREDICTOR_SWITCHES(X)
#undef X
#undef jit
	return switches;
}

void
extract_settings(PredictorStatement *statement)
{
	statement->work_mem = work_mem;
	statement->switches = planner_switches();
	statement->hash_mem_multiplier = hash_mem_multiplier;
	statement->random_page_cost = random_page_cost;
	statement->seq_page_cost = seq_page_cost;
	statement->effective_cache = (float) effective_cache_size * BLCKSZ / (1024 * 1024);
	statement->parallel_workers = max_parallel_workers_per_gather;
}

static void
describe_jit(int flags, PredictorStatement *statement)
{
	if (flags & PGJIT_PERFORM)
		statement->flags |= PREDICTOR_STATEMENT_JIT;
	if (flags & PGJIT_OPT3)
		statement->flags |= PREDICTOR_STATEMENT_JIT_OPTIMIZE;
	if (flags & PGJIT_INLINE)
		statement->flags |= PREDICTOR_STATEMENT_JIT_INLINE;
	if (flags & PGJIT_EXPR)
		statement->flags |= PREDICTOR_STATEMENT_JIT_EXPRESSIONS;
	if (flags & PGJIT_DEFORM)
		statement->flags |= PREDICTOR_STATEMENT_JIT_DEFORM;
}

static void
describe_statement(QueryDesc *queryDesc, const HashKey *key, PredictorStatement *statement)
{
	predictor_clear_statement(statement);
	statement->query_id = queryDesc->plannedstmt->queryId;
	statement->key_id = key->id;
	statement->command = command_number(queryDesc->operation);
	extract_settings(statement);
	describe_jit(queryDesc->plannedstmt->jitFlags, statement);
	statement->active_backends = count_active_backends();
	statement->hit_share = recent_hit_share();
}

/* EXPLAIN does not show a Gather that is there for a test's sake (force_parallel_mode = regress). */
static PlanState *
visible_root(QueryDesc *queryDesc)
{
	PlanState  *root = queryDesc->planstate;

	if (IsA(root, GatherState) && ((Gather *) root->plan)->invisible)
		root = outerPlanState(root);
	return root;
}

/* Counting sees a shared SubPlan as often as it is used: an upper bound, and enough. */
static int
count_nodes(Visit *v)
{
	visit(visible_root(v->queryDesc), PREDICTOR_REL_ROOT, -1, v);
	return v->count;
}

/* The record of the plan whose nodes were counted; NULL: no memory. */
static Extract *
describe_plan(Visit *v, MemoryContext context)
{
	Extract    *extract = allocate(v->count, context);

	if (extract == NULL)
		return NULL;
	v->extract = extract;
	v->count = 0;
	describe_statement(v->queryDesc, v->key, &extract->record.statement);
	visit(visible_root(v->queryDesc), PREDICTOR_REL_ROOT, -1, v);
	extract->record.node_count = v->count;
	predictor_sign(&extract->record);
	return extract;
}

Extract *
extract_plan(QueryDesc *queryDesc, const HashKey *key, MemoryContext context, bool *too_large)
{
	Visit		v = {NULL, queryDesc, key};
	int			count = count_nodes(&v);

	*too_large = count > PREDICTOR_MAX_NODES;
	return *too_large || count == 0 ? NULL : describe_plan(&v, context);
}

Extract *
extract_recalled(QueryDesc *queryDesc, const PredictorNode *known, int known_count, MemoryContext context)
{
	HashKey		no_key = {0, 0, 0};
	Visit		v = {NULL, queryDesc, &no_key, .known = known, .known_count = known_count};
	Extract    *extract = count_nodes(&v) >= known_count ? describe_plan(&v, context) : NULL;

	if (extract == NULL)
		return NULL;
	if (v.differs || v.count != known_count)
	{
		pfree(extract);
		return NULL;
	}
	extract->record.statement.constants = 0;
	return extract;
}
