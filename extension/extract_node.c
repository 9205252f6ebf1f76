/*
 * extract_node.c - see extract_node.h. What EXPLAIN prints of a node, and beyond that what its
 * relation and its index look like and how the executor plans its memory.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_namespace.h"
#include "executor/nodeHash.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "extension/compat.h"
#include "extension/extract_node.h"

static int
operator_number(Plan *plan)
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
join_number(JoinType type)
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

int
command_number(CmdType command)
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
strategy_number(AggStrategy strategy)
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

static int
set_operation_number(SetOpCmd command)
{
	switch (command)
	{
		case SETOPCMD_INTERSECT: return PREDICTOR_COMMAND_INTERSECT;
		case SETOPCMD_INTERSECT_ALL: return PREDICTOR_COMMAND_INTERSECT_ALL;
		case SETOPCMD_EXCEPT: return PREDICTOR_COMMAND_EXCEPT;
		case SETOPCMD_EXCEPT_ALL: return PREDICTOR_COMMAND_EXCEPT_ALL;
	}
	return PREDICTOR_COMMAND_NONE;
}

/* What only some types of node have, apart from relations, memory and predicates. */
static void
describe_type(Plan *plan, PredictorNode *node)
{
	switch (nodeTag(plan))
	{
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			node->join_type = join_number(((Join *) plan)->jointype);
			if (((Join *) plan)->inner_unique)
				node->flags |= PREDICTOR_NODE_INNER_UNIQUE;
			break;
		case T_Agg:
			node->strategy = strategy_number(((Agg *) plan)->aggstrategy);
			node->partial_mode = DO_AGGSPLIT_SKIPFINAL(((Agg *) plan)->aggsplit) ?
				PREDICTOR_PARTIAL_PARTIAL : DO_AGGSPLIT_COMBINE(((Agg *) plan)->aggsplit) ?
				PREDICTOR_PARTIAL_FINALIZE : PREDICTOR_PARTIAL_SIMPLE;
			break;
		case T_SetOp:
			node->strategy = ((SetOp *) plan)->strategy == SETOP_HASHED ?
				PREDICTOR_STRATEGY_HASHED : PREDICTOR_STRATEGY_SORTED;
			node->command = set_operation_number(((SetOp *) plan)->cmd);
			break;
		case T_ModifyTable:
			node->command = command_number(((ModifyTable *) plan)->operation);
			break;
		case T_ForeignScan:
			node->command = command_number(((ForeignScan *) plan)->operation);
			break;
		case T_Gather:
			node->workers_planned = ((Gather *) plan)->num_workers;
			if (((Gather *) plan)->single_copy)
				node->flags |= PREDICTOR_NODE_SINGLE_COPY;
			break;
		case T_GatherMerge:
			node->workers_planned = ((GatherMerge *) plan)->num_workers;
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

/* ---- relations and indexes ---- */

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

static void
describe_size(Form_pg_class form, PredictorNode *node)
{
	/* a partitioned table has -1 of both */
	if (form->relpages >= 0)
		node->relation_pages = form->relpages;
	if (form->reltuples >= 0)
		node->relation_tuples = form->reltuples;
	if (form->relpages > 0)
		node->all_visible = Min(1.0f, (float) form->relallvisible / form->relpages);
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
	describe_size(form, node);
	schema = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(form->relnamespace));
	if (HeapTupleIsValid(schema))
	{
		node->relation = predictor_identity(NameStr(((Form_pg_namespace) GETSTRUCT(schema))->nspname),
											NameStr(form->relname));
		ReleaseSysCache(schema);
	}
	ReleaseSysCache(relation);
}

/* The scanned index, and its descriptor where the executor has opened it. */
static Oid
scanned_index(PlanState *state, Relation *opened)
{
	*opened = NULL;
	switch (nodeTag(state->plan))
	{
		case T_IndexScan:
			*opened = ((IndexScanState *) state)->iss_RelationDesc;
			return ((IndexScan *) state->plan)->indexid;
		case T_IndexOnlyScan:
			*opened = ((IndexOnlyScanState *) state)->ioss_RelationDesc;
			return ((IndexOnlyScan *) state->plan)->indexid;
		case T_BitmapIndexScan:
			*opened = ((BitmapIndexScanState *) state)->biss_RelationDesc;
			return ((BitmapIndexScan *) state->plan)->indexid;
		default:
			return InvalidOid;
	}
}

/* Levels of a B-tree whose meta page this process has read: the planner did, and it is cached. */
static int
btree_height(Relation index)
{
	if (index == NULL || index->rd_rel->relam != BTREE_AM_OID || index->rd_amcache == NULL)
		return 0;
	return Min(((BTMetaPageData *) index->rd_amcache)->btm_level + 1, 255);
}

/* EXPLAIN opens no index, and its plan must be described as one that is run. */
static void
describe_indexed_table(Oid indexid, PredictorNode *node)
{
	HeapTuple	index = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	HeapTuple	table;

	if (!HeapTupleIsValid(index))
		return;
	table = SearchSysCache1(RELOID, ObjectIdGetDatum(((Form_pg_index) GETSTRUCT(index))->indrelid));
	ReleaseSysCache(index);
	if (!HeapTupleIsValid(table))
		return;
	describe_size((Form_pg_class) GETSTRUCT(table), node);
	ReleaseSysCache(table);
}

/*
 * Index names have no schema in EXPLAIN's output, so none counts here. A bitmap index scan has no
 * relation in EXPLAIN; its size is that of the index's table all the same.
 */
static void
describe_index(PlanState *state, PredictorNode *node)
{
	Relation	opened;
	Oid			indexid = scanned_index(state, &opened);
	HeapTuple	index;

	if (!OidIsValid(indexid))
		return;
	index = SearchSysCache1(RELOID, ObjectIdGetDatum(indexid));
	if (!HeapTupleIsValid(index))
		return;
	node->index = predictor_identity("", NameStr(((Form_pg_class) GETSTRUCT(index))->relname));
	node->index_pages = ((Form_pg_class) GETSTRUCT(index))->relpages;
	node->index_height = btree_height(opened);
	ReleaseSysCache(index);
	if (IsA(state->plan, BitmapIndexScan))
		describe_indexed_table(indexid, node);
}

/* ---- what the executor plans ---- */

/* Workers of the nearest Gather above. */
static int
workers_above(const PredictorNode *nodes, int node)
{
	for (int at = nodes[node].parent; at >= 0; at = nodes[at].parent)
		if (nodes[at].op == PREDICTOR_OP_GATHER || nodes[at].op == PREDICTOR_OP_GATHER_MERGE)
			return nodes[at].workers_planned;
	return 0;
}

/* By how much the planner divided the rows of a parallel-aware scan (get_parallel_divisor()). */
static double
parallel_divisor(const PredictorNode *nodes, int node)
{
	double		divisor = workers_above(nodes, node);
	double		leader = parallel_leader_participation ? 1.0 - 0.3 * divisor : 0;

	return Max(1.0, divisor + Max(0, leader));
}

static void
describe_selectivity(const PredictorNode *nodes, PredictorNode *node)
{
	double		rows = node->plan_rows;

	if (!(node->relation_tuples > 0) || node->op == PREDICTOR_OP_MODIFY_TABLE)
		return;
	if (node->flags & PREDICTOR_NODE_PARALLEL_AWARE)
		rows *= parallel_divisor(nodes, node - nodes);
	node->selectivity = Min(1.0, rows / node->relation_tuples);
}

/* As ExecHashTableCreate() will choose them. */
static int
hash_batches(Hash *hash, int workers)
{
	Plan	   *input = outerPlan(hash);
	bool		shared = hash->plan.parallel_aware;
	size_t		space_allowed;
	int			buckets;
	int			batches;
	int			skewed_values;

	ExecChooseHashTableSize(shared ? hash->rows_total : input->plan_rows, input->plan_width,
							OidIsValid(hash->skewTable), shared, shared ? workers : 0,
							&space_allowed, &buckets, &batches, &skewed_values);
	return batches;
}

static void
describe_memory(PlanState *state, const PredictorNode *nodes, PredictorNode *node)
{
	if (IsA(state, HashState))
		node->planned_batches = hash_batches((Hash *) state->plan, workers_above(nodes, node - nodes));
	else if (IsA(state, AggState) && (node->strategy == PREDICTOR_STRATEGY_HASHED ||
									  node->strategy == PREDICTOR_STRATEGY_MIXED))
		node->planned_batches = Max(1, ((AggState *) state)->hash_planned_partitions);
}

static void
describe_estimates(PredictorNode *node, Plan *plan)
{
	node->startup_cost = plan->startup_cost;
	node->total_cost = plan->total_cost;
	node->plan_rows = plan->plan_rows;
	node->plan_width = plan->plan_width;
}

bool
describe_again(PredictorNode *node, Plan *plan)
{
	double		factor = node->plan_rows > 0 ? plan->plan_rows / node->plan_rows : 1;

	if (node->op != operator_number(plan))
		return false;
	node->selectivity = Min(1.0, node->selectivity * factor);
	describe_estimates(node, plan);
	node->constants = node->coarse = 0;
	return true;
}

void
describe_node(Extract *extract, int position, QueryDesc *queryDesc)
{
	PredictorNode *nodes = extract->record.nodes;
	PredictorNode *node = &nodes[position];
	PlanState  *state = extract->states[position];
	Plan	   *plan = state->plan;
	Index		target = extract_target(plan);

	node->op = operator_number(plan);
	describe_estimates(node, plan);
	if (plan->parallel_aware)
		node->flags |= PREDICTOR_NODE_PARALLEL_AWARE;
	if (plan->async_capable)
		node->flags |= PREDICTOR_NODE_ASYNC_CAPABLE;
	describe_type(plan, node);
	if (target > 0)
	{
		RangeTblEntry *rte = rt_fetch(target, queryDesc->plannedstmt->rtable);

		if (rte->rtekind == RTE_RELATION)
			describe_relation(rte->relid, node);
	}
	describe_index(state, node);
	describe_selectivity(nodes, node);
	describe_memory(state, nodes, node);
}
