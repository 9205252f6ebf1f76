/*
 * extract.c - see extract.h. One walk in EXPLAIN's order, used to count, to describe and so to
 * number the nodes; actuals are read node by node from the states remembered then.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "executor/executor.h"
#include "executor/hashjoin.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/syscache.h"
#include "utils/tuplesort.h"

#include "extension/allocate.h"
#include "extension/compat.h"
#include "extension/extract.h"
#include "extension/extract_predicate.h"

/* A walk either counts (extract NULL) or describes. */
typedef struct Visit
{
	Extract    *extract;
	QueryDesc  *queryDesc;
	const HashKey *key;
	int			count;
} Visit;

static void visit(PlanState *state, int relationship, int parent, Visit *v);

static int
operator_of(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Result: return PREDICTOR_OP_RESULT;
		case T_ProjectSet: return PREDICTOR_OP_PROJECT_SET;
		case T_ModifyTable: return PREDICTOR_OP_MODIFY_TABLE;
		case T_Append: return PREDICTOR_OP_APPEND;
		case T_MergeAppend: return PREDICTOR_OP_MERGE_APPEND;
		case T_RecursiveUnion: return PREDICTOR_OP_RECURSIVE_UNION;
		case T_BitmapAnd: return PREDICTOR_OP_BITMAP_AND;
		case T_BitmapOr: return PREDICTOR_OP_BITMAP_OR;
		case T_NestLoop: return PREDICTOR_OP_NESTED_LOOP;
		case T_MergeJoin: return PREDICTOR_OP_MERGE_JOIN;
		case T_HashJoin: return PREDICTOR_OP_HASH_JOIN;
		case T_SeqScan: return PREDICTOR_OP_SEQ_SCAN;
		case T_SampleScan: return PREDICTOR_OP_SAMPLE_SCAN;
		case T_Gather: return PREDICTOR_OP_GATHER;
		case T_GatherMerge: return PREDICTOR_OP_GATHER_MERGE;
		case T_IndexScan: return PREDICTOR_OP_INDEX_SCAN;
		case T_IndexOnlyScan: return PREDICTOR_OP_INDEX_ONLY_SCAN;
		case T_BitmapIndexScan: return PREDICTOR_OP_BITMAP_INDEX_SCAN;
		case T_BitmapHeapScan: return PREDICTOR_OP_BITMAP_HEAP_SCAN;
		case T_TidScan: return PREDICTOR_OP_TID_SCAN;
		case T_TidRangeScan: return PREDICTOR_OP_TID_RANGE_SCAN;
		case T_SubqueryScan: return PREDICTOR_OP_SUBQUERY_SCAN;
		case T_FunctionScan: return PREDICTOR_OP_FUNCTION_SCAN;
		case T_TableFuncScan: return PREDICTOR_OP_TABLE_FUNCTION_SCAN;
		case T_ValuesScan: return PREDICTOR_OP_VALUES_SCAN;
		case T_CteScan: return PREDICTOR_OP_CTE_SCAN;
		case T_NamedTuplestoreScan: return PREDICTOR_OP_NAMED_TUPLESTORE_SCAN;
		case T_WorkTableScan: return PREDICTOR_OP_WORK_TABLE_SCAN;
		case T_ForeignScan: return PREDICTOR_OP_FOREIGN_SCAN;
		case T_CustomScan: return PREDICTOR_OP_CUSTOM_SCAN;
		case T_Material: return PREDICTOR_OP_MATERIALIZE;
		case T_Memoize: return PREDICTOR_OP_MEMOIZE;
		case T_Sort: return PREDICTOR_OP_SORT;
		case T_IncrementalSort: return PREDICTOR_OP_INCREMENTAL_SORT;
		case T_Group: return PREDICTOR_OP_GROUP;
		case T_Agg: return PREDICTOR_OP_AGGREGATE;
		case T_WindowAgg: return PREDICTOR_OP_WINDOW_AGG;
		case T_Unique: return PREDICTOR_OP_UNIQUE;
		case T_SetOp: return PREDICTOR_OP_SET_OP;
		case T_LockRows: return PREDICTOR_OP_LOCK_ROWS;
		case T_Limit: return PREDICTOR_OP_LIMIT;
		case T_Hash: return PREDICTOR_OP_HASH;
		default: return PREDICTOR_OP_UNKNOWN;
	}
}

static int
join_of(JoinType type)
{
	switch (type)
	{
		case JOIN_INNER: return PREDICTOR_JOIN_INNER;
		case JOIN_LEFT: return PREDICTOR_JOIN_LEFT;
		case JOIN_FULL: return PREDICTOR_JOIN_FULL;
		case JOIN_RIGHT: return PREDICTOR_JOIN_RIGHT;
		case JOIN_SEMI: return PREDICTOR_JOIN_SEMI;
		case JOIN_ANTI: return PREDICTOR_JOIN_ANTI;
#if PG_VERSION_NUM >= 160000
		case JOIN_RIGHT_ANTI: return PREDICTOR_JOIN_RIGHT_ANTI;
#endif
#if PG_VERSION_NUM >= 180000
		case JOIN_RIGHT_SEMI: return PREDICTOR_JOIN_RIGHT_SEMI;
#endif
		default: return PREDICTOR_JOIN_NONE;
	}
}

static int
command_of(CmdType command)
{
	switch (command)
	{
		case CMD_SELECT: return PREDICTOR_COMMAND_SELECT;
		case CMD_INSERT: return PREDICTOR_COMMAND_INSERT;
		case CMD_UPDATE: return PREDICTOR_COMMAND_UPDATE;
		case CMD_DELETE: return PREDICTOR_COMMAND_DELETE;
#if PG_VERSION_NUM >= 150000
		case CMD_MERGE: return PREDICTOR_COMMAND_MERGE;
#endif
		default: return PREDICTOR_COMMAND_NONE;
	}
}

static int
strategy_of(AggStrategy strategy)
{
	switch (strategy)
	{
		case AGG_PLAIN: return PREDICTOR_STRATEGY_PLAIN;
		case AGG_SORTED: return PREDICTOR_STRATEGY_SORTED;
		case AGG_HASHED: return PREDICTOR_STRATEGY_HASHED;
		case AGG_MIXED: return PREDICTOR_STRATEGY_MIXED;
	}
	return PREDICTOR_STRATEGY_NONE;
}

static void
describe_aggregate(Agg *agg, PredictorNode *node)
{
	node->strategy = strategy_of(agg->aggstrategy);
	node->partial_mode = DO_AGGSPLIT_SKIPFINAL(agg->aggsplit) ? PREDICTOR_PARTIAL_PARTIAL :
		DO_AGGSPLIT_COMBINE(agg->aggsplit) ? PREDICTOR_PARTIAL_FINALIZE : PREDICTOR_PARTIAL_SIMPLE;
	node->sort_keys = agg->numCols;
}

/* What only some types of node have, apart from relations and predicates. */
static void
describe_type(Plan *plan, PredictorNode *node)
{
	switch (nodeTag(plan))
	{
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			node->join_type = join_of(((Join *) plan)->jointype);
			if (((Join *) plan)->inner_unique)
				node->flags |= PREDICTOR_NODE_INNER_UNIQUE;
			break;
		case T_Agg:
			describe_aggregate((Agg *) plan, node);
			break;
		case T_SetOp:
			node->strategy = ((SetOp *) plan)->strategy == SETOP_HASHED ?
				PREDICTOR_STRATEGY_HASHED : PREDICTOR_STRATEGY_SORTED;
			node->sort_keys = ((SetOp *) plan)->numCols;
			break;
		case T_ModifyTable:
			node->command = command_of(((ModifyTable *) plan)->operation);
			break;
		case T_ForeignScan:
			if (((ForeignScan *) plan)->operation != CMD_SELECT)
				node->command = command_of(((ForeignScan *) plan)->operation);
			break;
		case T_Gather:
			node->workers_planned = ((Gather *) plan)->num_workers;
			break;
		case T_GatherMerge:
			node->workers_planned = ((GatherMerge *) plan)->num_workers;
			node->sort_keys = ((GatherMerge *) plan)->numCols;
			break;
		case T_MergeAppend:
			node->sort_keys = ((MergeAppend *) plan)->numCols;
			break;
		case T_Sort:
		case T_IncrementalSort:
			node->sort_keys = ((Sort *) plan)->numCols;
			break;
		case T_Group:
			node->sort_keys = ((Group *) plan)->numCols;
			break;
		case T_Unique:
			node->sort_keys = ((Unique *) plan)->numCols;
			break;
		case T_WindowAgg:
			node->sort_keys = ((WindowAgg *) plan)->partNumCols + ((WindowAgg *) plan)->ordNumCols;
			break;
		case T_IndexScan:
			if (ScanDirectionIsBackward(((IndexScan *) plan)->indexorderdir))
				node->flags |= PREDICTOR_NODE_BACKWARD;
			break;
		case T_IndexOnlyScan:
			if (ScanDirectionIsBackward(((IndexOnlyScan *) plan)->indexorderdir))
				node->flags |= PREDICTOR_NODE_BACKWARD;
			break;
		default:
			break;
	}
}

Index
extract_target(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_ForeignScan:
		case T_CustomScan:
			return ((Scan *) plan)->scanrelid;
		case T_ModifyTable:
			return ((ModifyTable *) plan)->nominalRelation;
		default:
			return 0;
	}
}

static Oid
index_of(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_IndexScan: return ((IndexScan *) plan)->indexid;
		case T_IndexOnlyScan: return ((IndexOnlyScan *) plan)->indexid;
		case T_BitmapIndexScan: return ((BitmapIndexScan *) plan)->indexid;
		default: return InvalidOid;
	}
}

static void
describe_relation(Oid relid, PredictorNode *node)
{
	HeapTuple	relation = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	HeapTuple	schema;
	Form_pg_class form;

	if (!HeapTupleIsValid(relation))
		return;
	form = (Form_pg_class) GETSTRUCT(relation);
	node->relation_pages = form->relpages;
	node->relation_tuples = form->reltuples >= 0 ? form->reltuples : NAN;
	schema = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(form->relnamespace));
	if (HeapTupleIsValid(schema))
	{
		node->relation = predictor_identity(NameStr(((Form_pg_namespace) GETSTRUCT(schema))->nspname),
											NameStr(form->relname));
		ReleaseSysCache(schema);
	}
	ReleaseSysCache(relation);
}

/* Index names have no schema in EXPLAIN's output, so none counts here. */
static void
describe_index(Oid indexid, PredictorNode *node)
{
	HeapTuple	index = SearchSysCache1(RELOID, ObjectIdGetDatum(indexid));

	if (!HeapTupleIsValid(index))
		return;
	node->index = predictor_identity("", NameStr(((Form_pg_class) GETSTRUCT(index))->relname));
	ReleaseSysCache(index);
}

static void
describe(PlanState *state, int relationship, int parent, PredictorNode *node, Visit *v)
{
	Plan	   *plan = state->plan;
	Index		target = extract_target(plan);

	predictor_clear_node(node);
	node->op = operator_of(plan);
	node->relationship = relationship;
	node->parent = parent;
	node->startup_cost = plan->startup_cost;
	node->total_cost = plan->total_cost;
	node->plan_rows = plan->plan_rows;
	node->plan_width = plan->plan_width;
	if (plan->parallel_aware)
		node->flags |= PREDICTOR_NODE_PARALLEL_AWARE;
	if (plan->async_capable)
		node->flags |= PREDICTOR_NODE_ASYNC_CAPABLE;
	describe_type(plan, node);
	if (target > 0)
	{
		RangeTblEntry *rte = rt_fetch(target, v->queryDesc->plannedstmt->rtable);

		if (rte->rtekind == RTE_RELATION)
			describe_relation(rte->relid, node);
	}
	if (OidIsValid(index_of(plan)))
		describe_index(index_of(plan), node);
	extract_predicate(state, v->queryDesc, v->key, node);
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
	{
		v->extract->states[self] = state;
		describe(state, relationship, parent, &v->extract->record.nodes[self], v);
	}
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
	extract->record.nodes = (PredictorNode *) ((char *) extract + MAXALIGN(sizeof(Extract)));
	extract->states = (PlanState **) ((char *) extract->record.nodes + nodes);
	return extract;
}

static void
describe_statement(QueryDesc *queryDesc, const HashKey *key, PredictorStatement *statement)
{
	int			jit = queryDesc->plannedstmt->jitFlags;

	predictor_clear_statement(statement);
	statement->query_id = queryDesc->plannedstmt->queryId;
	statement->key_id = key->id;
	statement->work_mem = work_mem;
	statement->command = command_of(queryDesc->operation);
	if (jit & PGJIT_PERFORM)
		statement->flags |= PREDICTOR_STATEMENT_JIT;
	if (jit & PGJIT_OPT3)
		statement->flags |= PREDICTOR_STATEMENT_JIT_OPTIMIZE;
	if (jit & PGJIT_INLINE)
		statement->flags |= PREDICTOR_STATEMENT_JIT_INLINE;
}

Extract *
extract_plan(QueryDesc *queryDesc, const HashKey *key, MemoryContext context, bool *too_large)
{
	Visit		v = {NULL, queryDesc, key, 0};
	Extract    *extract;

	/* Counting sees a shared SubPlan as often as it is used: an upper bound, and enough. */
	visit(queryDesc->planstate, PREDICTOR_REL_ROOT, -1, &v);
	*too_large = v.count > PREDICTOR_MAX_NODES;
	if (*too_large || v.count == 0)
		return NULL;
	extract = allocate(v.count, context);
	if (extract == NULL)
		return NULL;
	v.extract = extract;
	v.count = 0;
	describe_statement(queryDesc, key, &extract->record.statement);
	visit(queryDesc->planstate, PREDICTOR_REL_ROOT, -1, &v);
	extract->record.node_count = v.count;
	predictor_sign(&extract->record);
	return extract;
}

/* Peak memory in kB of the node types for which PostgreSQL measures it; NaN otherwise. */
static double
memory_of(PlanState *state)
{
	if (IsA(state, HashState))
	{
		HashState  *hash = (HashState *) state;
		Size		peak = hash->hinstrument != NULL ? hash->hinstrument->space_peak : 0;

		if (hash->shared_info != NULL)
			for (int i = 0; i < hash->shared_info->num_workers; i++)
				peak = Max(peak, hash->shared_info->hinstrument[i].space_peak);
		return peak > 0 ? peak / 1024.0 : NAN;
	}
	if (IsA(state, SortState))
	{
		SortState  *sort = (SortState *) state;
		TuplesortInstrumentation stats;

		if (!sort->sort_Done || sort->tuplesortstate == NULL)
			return NAN;
		tuplesort_get_stats((Tuplesortstate *) sort->tuplesortstate, &stats);
		return stats.spaceType == SORT_SPACE_TYPE_MEMORY ? stats.spaceUsed : NAN;
	}
	if (IsA(state, AggState))
	{
		AggState   *agg = (AggState *) state;

		if (agg->aggstrategy != AGG_HASHED && agg->aggstrategy != AGG_MIXED)
			return NAN;
		return agg->hash_mem_peak > 0 ? agg->hash_mem_peak / 1024.0 : NAN;
	}
	if (IsA(state, MemoizeState))
	{
		MemoizeState *memoize = (MemoizeState *) state;
		Size		peak = memoize->stats.mem_peak > 0 ? memoize->stats.mem_peak : memoize->mem_used;

		return peak > 0 ? peak / 1024.0 : NAN;
	}
	return NAN;
}

static void
read_node(PlanState *state, PredictorNode *node, bool in_error)
{
	Instrumentation *instr = state->instrument;
	bool		running;

	if (instr == NULL)
		return;
	/* InstrEndLoop would raise for a node that an error left in the middle of a call. */
	running = !INSTR_TIME_IS_ZERO(instr->starttime);
	if (!running)
		InstrEndLoop(instr);
	if (running || (in_error && instr->nloops <= 0 && instr->running))
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
	if (instr->need_timer)
	{
		node->flags |= PREDICTOR_NODE_HAS_TIME;
		node->actual_startup = instr->startup * 1000.0 / instr->nloops;
		node->actual_total = instr->total * 1000.0 / instr->nloops;
	}
	if (!in_error)
		node->actual_memory = memory_of(state);
	if (!isnan(node->actual_memory))
		node->flags |= PREDICTOR_NODE_HAS_MEMORY;
}

void
extract_actuals(QueryDesc *queryDesc, Extract *extract, bool in_error)
{
	PredictorStatement *statement = &extract->record.statement;
	int			options = queryDesc->instrument_options;

	for (int i = 0; i < extract->record.node_count; i++)
		read_node(extract->states[i], &extract->record.nodes[i], in_error);
	statement->instrumentation = (options & INSTRUMENT_TIMER) ? PREDICTOR_INSTRUMENT_TIMERS :
		options != 0 ? PREDICTOR_INSTRUMENT_ROWS : PREDICTOR_INSTRUMENT_NONE;
	statement->finished_at = GetCurrentTimestamp();
}
