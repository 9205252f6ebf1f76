/*
 * custom_scan.c - a provider of custom scans, for tests of what Predictor makes of them: none comes
 * with PostgreSQL. custom_scan.mode = scan reads tables itself; = child passes on what PostgreSQL's
 * own plan for the table returns, as a child of the custom scan.
 *
 * Loaded with LOAD, built with PGXS for the tests alone, never installed.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/extensible.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/guc.h"
#include "utils/rel.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

typedef enum Mode
{
	MODE_OFF,
	MODE_SCAN,
	MODE_CHILD
} Mode;

static const struct config_enum_entry modes[] = {
	{"off", MODE_OFF, false}, {"scan", MODE_SCAN, false}, {"child", MODE_CHILD, false}, {NULL, 0, false}
};

typedef struct CustomState
{
	CustomScanState css;
	TableScanDesc scan;			/* NULL: a child does it */
	TupleTableSlot *slot;
} CustomState;

static int	mode = MODE_OFF;
static set_rel_pathlist_hook_type previous_hook = NULL;

/* ---- executing ---- */

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	CustomState *state = (CustomState *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;

	if (plan->custom_plans != NIL)
		node->custom_ps = list_make1(ExecInitNode(linitial(plan->custom_plans), estate, eflags));
	else if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
	{
		state->scan = table_beginscan(node->ss.ss_currentRelation, estate->es_snapshot, 0, NULL);
		state->slot = table_slot_create(node->ss.ss_currentRelation, &estate->es_tupleTable);
	}
}

static TupleTableSlot *
next_row(ScanState *scan)
{
	CustomState *state = (CustomState *) scan;
	TupleTableSlot *slot = state->slot;

	if (state->scan == NULL)
		slot = ExecProcNode(linitial(state->css.custom_ps));
	else if (!table_scan_getnextslot(state->scan, ForwardScanDirection, slot))
		return NULL;
	return TupIsNull(slot) ? NULL : ExecCopySlot(scan->ss_ScanTupleSlot, slot);
}

static bool
recheck_row(ScanState *scan, TupleTableSlot *slot)
{
	return true;
}

static TupleTableSlot *
execute_scan(CustomScanState *node)
{
	return ExecScan(&node->ss, next_row, recheck_row);
}

static void
end_scan(CustomScanState *node)
{
	CustomState *state = (CustomState *) node;

	if (state->scan != NULL)
		table_endscan(state->scan);
	if (node->custom_ps != NIL)
		ExecEndNode(linitial(node->custom_ps));
}

static void
rescan(CustomScanState *node)
{
	CustomState *state = (CustomState *) node;

	if (state->scan != NULL)
		table_rescan(state->scan, NULL);
	else
		ExecReScan(linitial(node->custom_ps));
	ExecScanReScan(&node->ss);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "Test Scan",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = execute_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
};

static Node *
create_state(CustomScan *plan)
{
	CustomState *state = palloc0(sizeof(CustomState));

	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &exec_methods;
	return (Node *) state;
}

static const CustomScanMethods scan_methods = {
	.CustomName = "Test Scan",
	.CreateCustomScanState = create_state,
};

/* ---- planning ---- */

static Plan *
make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *children)
{
	CustomScan *scan = makeNode(CustomScan);

	scan->scan.plan.targetlist = tlist;
	scan->methods = &scan_methods;
	if (children == NIL)
	{
		scan->scan.scanrelid = rel->relid;
		scan->scan.plan.qual = extract_actual_clauses(clauses, false);
		return &scan->scan.plan;
	}
	/* the child has applied the clauses already */
	scan->custom_plans = children;
	scan->custom_scan_tlist = copyObject(((Plan *) linitial(children))->targetlist);
	scan->custom_relids = bms_make_singleton(rel->relid);
	return &scan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "Test Scan",
	.PlanCustomPath = make_plan,
};

/* PostgreSQL's own way to read the table, if there is one without parameters. */
static Path *
own_path(RelOptInfo *rel)
{
	ListCell   *cell;

	foreach(cell, rel->pathlist)
		if (((Path *) lfirst(cell))->param_info == NULL)
			return lfirst(cell);
	return NULL;
}

static void
replace_paths(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	Path	   *own = own_path(rel);
	CustomPath *path;

	if (previous_hook)
		previous_hook(root, rel, rti, rte);
	if (mode == MODE_OFF || own == NULL || rte->rtekind != RTE_RELATION || rel->reloptkind != RELOPT_BASEREL ||
		rte->inh)
		return;
	path = makeNode(CustomPath);
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.rows = rel->rows;
	path->path.startup_cost = own->startup_cost;
	path->path.total_cost = own->total_cost;
	path->custom_paths = mode == MODE_CHILD ? list_make1(own) : NIL;
	path->methods = &path_methods;
	rel->pathlist = list_make1(path);
	rel->partial_pathlist = NIL;
}

void
_PG_init(void)
{
	DefineCustomEnumVariable("custom_scan.mode", "Which custom scans read tables.", NULL, &mode, MODE_OFF, modes,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	RegisterCustomScanMethods(&scan_methods);
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = replace_paths;
}
