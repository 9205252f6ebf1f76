/*
 * fingerprint.c - see fingerprint.h.
 */
#include "postgres.h"

#include "nodes/plannodes.h"
#include "parser/parsetree.h"

#include "extension/fingerprint.h"

/* `loops`: how often the node is expected to be run. */
static void walk(const Plan *plan, const PlannedStmt *statement, double loops, Fingerprint *f);

static void
walk_list(List *plans, const PlannedStmt *statement, double loops, Fingerprint *f)
{
	ListCell   *cell;

	foreach(cell, plans)
		walk(lfirst(cell), statement, loops, f);
}

static Oid
relation_of(Index target, const PlannedStmt *statement)
{
	return target > 0 ? rt_fetch(target, statement->rtable)->relid : InvalidOid;
}

/* What tells apart two nodes of one type, and the children that hang elsewhere than outer and inner. */
static void
walk_type(const Plan *plan, const PlannedStmt *statement, double loops, Fingerprint *f)
{
	switch (nodeTag(plan))
	{
		case T_IndexScan:
			f->hash = mix_bits(f->hash, ((const IndexScan *) plan)->indexid);
			break;
		case T_IndexOnlyScan:
			f->hash = mix_bits(f->hash, ((const IndexOnlyScan *) plan)->indexid);
			break;
		case T_BitmapIndexScan:
			f->hash = mix_bits(f->hash, ((const BitmapIndexScan *) plan)->indexid);
			break;
		case T_SeqScan:
		case T_BitmapHeapScan:
		case T_ForeignScan:
			f->hash = mix_bits(f->hash, relation_of(((const Scan *) plan)->scanrelid, statement));
			break;
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			f->hash = mix_bits(f->hash, ((const Join *) plan)->jointype);
			break;
		case T_Agg:
			f->hash = mix_bits(f->hash, ((const Agg *) plan)->aggstrategy);
			break;
		case T_ModifyTable:
			f->hash = mix_bits(f->hash, relation_of(((const ModifyTable *) plan)->nominalRelation,
											   statement));
			break;
		case T_Append:
			walk_list(((const Append *) plan)->appendplans, statement, loops, f);
			break;
		case T_MergeAppend:
			walk_list(((const MergeAppend *) plan)->mergeplans, statement, loops, f);
			break;
		case T_BitmapAnd:
			walk_list(((const BitmapAnd *) plan)->bitmapplans, statement, loops, f);
			break;
		case T_BitmapOr:
			walk_list(((const BitmapOr *) plan)->bitmapplans, statement, loops, f);
			break;
		case T_SubqueryScan:
			walk(((const SubqueryScan *) plan)->subplan, statement, loops, f);
			break;
		case T_CustomScan:
			walk_list(((const CustomScan *) plan)->custom_plans, statement, loops, f);
			break;
		default:
			break;
	}
}

static void
walk(const Plan *plan, const PlannedStmt *statement, double loops, Fingerprint *f)
{
	double		inner_loops = loops;

	/* The bound on nodes bounds the recursion, too. */
	if (plan == NULL || f->nodes >= FINGERPRINT_NODES)
		return;
	f->nodes++;
	f->hash = mix_bits(f->hash, nodeTag(plan));
	f->calls += loops * (plan->plan_rows + 1);
	walk_type(plan, statement, loops, f);
	if (IsA(plan, NestLoop) && plan->lefttree != NULL)
		inner_loops = loops * plan->lefttree->plan_rows;
	walk(plan->lefttree, statement, loops, f);
	walk(plan->righttree, statement, inner_loops, f);
	/* tells (a (b c)) from (a b c) */
	f->hash = mix_bits(f->hash, 0);
}

Fingerprint
fingerprint_plan(const PlannedStmt *statement)
{
	Fingerprint f = {mix_bits(0, statement->commandType), 0, 0};

	walk(statement->planTree, statement, 1, &f);
	walk_list(statement->subplans, statement, 1, &f);
	if (f.hash == 0)
		f.hash = 1;
	return f;
}
