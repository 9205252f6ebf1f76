/*
 * fingerprint.c - see fingerprint.h.
 */
#include "postgres.h"

#include "nodes/plannodes.h"
#include "parser/parsetree.h"

#include "extension/fingerprint.h"

static void walk(const Plan *plan, const PlannedStmt *statement, Fingerprint *f);

static void
walk_list(List *plans, const PlannedStmt *statement, Fingerprint *f)
{
	ListCell   *cell;

	foreach(cell, plans)
		walk(lfirst(cell), statement, f);
}

static Oid
relation_of(Index target, const PlannedStmt *statement)
{
	return target > 0 ? rt_fetch(target, statement->rtable)->relid : InvalidOid;
}

/* What tells apart two nodes of one type, and the children that hang elsewhere than outer and inner. */
static void
walk_type(const Plan *plan, const PlannedStmt *statement, Fingerprint *f)
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
			walk_list(((const Append *) plan)->appendplans, statement, f);
			break;
		case T_MergeAppend:
			walk_list(((const MergeAppend *) plan)->mergeplans, statement, f);
			break;
		case T_BitmapAnd:
			walk_list(((const BitmapAnd *) plan)->bitmapplans, statement, f);
			break;
		case T_BitmapOr:
			walk_list(((const BitmapOr *) plan)->bitmapplans, statement, f);
			break;
		case T_SubqueryScan:
			walk(((const SubqueryScan *) plan)->subplan, statement, f);
			break;
		case T_CustomScan:
			walk_list(((const CustomScan *) plan)->custom_plans, statement, f);
			break;
		default:
			break;
	}
}

static void
walk(const Plan *plan, const PlannedStmt *statement, Fingerprint *f)
{
	/* The bound on nodes bounds the recursion, too. */
	if (plan == NULL || f->nodes >= FINGERPRINT_NODES)
		return;
	f->nodes++;
	f->hash = mix_bits(f->hash, nodeTag(plan));
	walk_type(plan, statement, f);
	walk(plan->lefttree, statement, f);
	walk(plan->righttree, statement, f);
	/* tells (a (b c)) from (a b c) */
	f->hash = mix_bits(f->hash, 0);
}

Fingerprint
fingerprint_plan(const PlannedStmt *statement)
{
	Fingerprint f = {mix_bits(0, statement->commandType), 0};

	walk(statement->planTree, statement, &f);
	walk_list(statement->subplans, statement, &f);
	if (f.hash == 0)
		f.hash = 1;
	return f;
}
