/*
 * opengauss_texts.c - see opengauss_texts.h.
 *
 * A condition begins with a space; then for each list of predicates that such a node has, in a fixed
 * order, comes " && " and the list's text, if it is not empty. A projection is a space and the
 * target list. Names are qualified (schema.table.column), literals and casts are part of the text.
 *
 * An error inside PostgreSQL's deparser must not be the statement's. So it runs in a subtransaction,
 * which gives back whatever it held.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/ruleutils.h"

#include "extension/opengauss_texts.h"
#include "plan/opengauss_encoding.h"

/* A longer text of a list is left out; a projection ends when it is longer. */
#define MAX_TEXT_LENGTH 3999

#define HASH_MASK ((UINT32_C(1) << PREDICTOR_OPENGAUSS_HASH_BITS) - 1)

/* One plan's texts. */
typedef struct Texts
{
	QueryDesc  *queryDesc;
	List	   *context;		/* for the deparser */
	List	   *names;			/* of relations, as the deparser was told them */
} Texts;

/*
 * What the deparser is told to call the plan's relations: "schema.table", not an alias. To it that
 * is one odd name, which it puts into quotes; append_unquoted() takes them away again.
 */
static void
name_relations(Texts *texts)
{
	PlannedStmt *statement = texts->queryDesc->plannedstmt;
	Bitmapset  *used = NULL;
	List	   *names = NIL;
	ListCell   *name;
	ListCell   *table;

	for (int i = 1; i <= list_length(statement->rtable); i++)
		used = bms_add_member(used, i);
	forboth(table, statement->rtable,
			name, select_rtable_names_for_explain(statement->rtable, used))
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, table);
		char	   *relation = entry->rtekind == RTE_RELATION ? get_rel_name(entry->relid) : NULL;
		char	   *schema = relation != NULL
			? get_namespace_name(get_rel_namespace(entry->relid)) : NULL;

		if (schema != NULL)
		{
			char	   *qualified = psprintf("%s.%s", schema, relation);

			texts->names = lappend(texts->names, qualified);
			names = lappend(names, qualified);
		}
		else
			names = lappend(names, lfirst(name));
	}
	texts->context = deparse_context_for_plan_tree(statement, names);
}

/* If a relation's name, in quotes, stands at `text`, appends it without them and returns its length. */
static size_t
append_name(const Texts *texts, const char *text, StringInfo out)
{
	ListCell   *cell;

	foreach(cell, texts->names)
	{
		const char *quoted = quote_identifier(lfirst(cell));
		size_t		length = strlen(quoted);

		if (strncmp(text, quoted, length) == 0 && text[length] == '.')
		{
			appendStringInfoString(out, lfirst(cell));
			return length;
		}
	}
	return 0;
}

/* Appends the text without the quotes around the relations' names. */
static void
append_unquoted(const Texts *texts, const char *text, StringInfo out)
{
	while (*text != '\0')
	{
		size_t		plain = strcspn(text, "\"");

		appendBinaryStringInfo(out, text, plain);
		text += plain;
		if (*text == '"')
		{
			size_t		length = append_name(texts, text, out);

			if (length == 0)
				appendStringInfoChar(out, *text++);
			text += length;
		}
	}
}

static char *
deparse(const Texts *texts, Node *expression)
{
	return deparse_expression(expression, texts->context, true, false);
}

static void
append_list(const Texts *texts, List *predicates, StringInfo out)
{
	appendStringInfoString(out, " && ");
	if (predicates != NIL)
	{
		const char *text = deparse(texts, (Node *) make_ands_explicit(predicates));

		if (strlen(text) <= MAX_TEXT_LENGTH)
			append_unquoted(texts, text, out);
	}
}

/* The predicate lists of a node's own kind. */
static void
append_own_lists(const Texts *texts, Plan *plan, StringInfo out)
{
	switch (nodeTag(plan))
	{
		case T_IndexScan:
			append_list(texts, ((IndexScan *) plan)->indexqualorig, out);
			break;
		case T_IndexOnlyScan:
			append_list(texts, ((IndexOnlyScan *) plan)->indexqual, out);
			break;
		case T_BitmapIndexScan:
			append_list(texts, ((BitmapIndexScan *) plan)->indexqualorig, out);
			break;
		case T_BitmapHeapScan:
			append_list(texts, ((BitmapHeapScan *) plan)->bitmapqualorig, out);
			break;
		case T_NestLoop:
			append_list(texts, ((NestLoop *) plan)->join.joinqual, out);
			break;
		case T_MergeJoin:
			append_list(texts, ((MergeJoin *) plan)->mergeclauses, out);
			break;
		case T_HashJoin:
			append_list(texts, ((HashJoin *) plan)->hashclauses, out);
			append_list(texts, ((HashJoin *) plan)->join.joinqual, out);
			break;
		case T_Result:
			append_list(texts, (List *) ((Result *) plan)->resconstantqual, out);
			break;
		default:
			break;
	}
}

/* Has the kind of node a filter of its own? */
static bool
has_filter(const Plan *plan)
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
		case T_SubqueryScan:
		case T_FunctionScan:
		case T_TableFuncScan:
		case T_ValuesScan:
		case T_CteScan:
		case T_NamedTuplestoreScan:
		case T_WorkTableScan:
		case T_ForeignScan:
		case T_CustomScan:
		case T_Group:
		case T_Agg:
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
		case T_Result:
			return true;
		default:
			return false;
	}
}

/* Nodes whose target list is of no use, as EXPLAIN VERBOSE has it too. */
static bool
has_projection(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Append:
		case T_MergeAppend:
		case T_RecursiveUnion:
		case T_ModifyTable:
		case T_ForeignScan:
			return false;
		default:
			return true;
	}
}

static uint32
hash_of(StringInfo text)
{
	return predictor_opengauss_hash(text->data, text->len) & HASH_MASK;
}

static uint32
hash_node(Texts *texts, Plan *plan, List *ancestors)
{
	StringInfoData condition;
	StringInfoData projection;
	const char *separator = " ";
	ListCell   *cell;

	initStringInfo(&condition);
	initStringInfo(&projection);
	texts->context = set_deparse_context_plan(texts->context, plan, ancestors);
	appendStringInfoChar(&condition, ' ');
	append_own_lists(texts, plan, &condition);
	if (has_filter(plan))
		append_list(texts, plan->qual, &condition);
	foreach(cell, has_projection(plan) ? plan->targetlist : NIL)
	{
		appendStringInfoString(&projection, separator);
		append_unquoted(texts, deparse(texts, (Node *) lfirst_node(TargetEntry, cell)->expr), &projection);
		if (projection.len > MAX_TEXT_LENGTH)
			break;
		separator = ", ";
	}
	if (projection.len == 0)
		appendStringInfoChar(&projection, ' ');
	return PREDICTOR_NODE_HAS_TEXT_HASHES | hash_of(&condition) |
		hash_of(&projection) << PREDICTOR_OPENGAUSS_HASH_BITS;
}

static void
hash_plan(QueryDesc *queryDesc, Extract *extract)
{
	Texts		texts = {queryDesc, NIL, NIL};
	PredictorNode *nodes = extract->record.nodes;

	name_relations(&texts);
	for (int i = 0; i < extract->record.node_count; i++)
	{
		List	   *ancestors = NIL;

		CHECK_FOR_INTERRUPTS();
		for (int above = nodes[i].parent; above >= 0; above = nodes[above].parent)
			ancestors = lappend(ancestors, extract->states[above]->plan);
		nodes[i].text_hashes = hash_node(&texts, extract->states[i]->plan, ancestors);
	}
}

/*
 * Ends the subtransaction after an error. A record has hashes of all its nodes or of none; an error
 * that was meant to end the statement does.
 */
static void
give_up(Extract *extract, MemoryContext caller, ResourceOwner owner)
{
	ErrorData  *error;

	MemoryContextSwitchTo(caller);
	error = CopyErrorData();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->elevel > ERROR ||
		error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
		ReThrowError(error);
	for (int i = 0; i < extract->record.node_count; i++)
		extract->record.nodes[i].text_hashes = 0;
	ereport(LOG,
			(errmsg("predictor described a statement without openGauss's hashes of its texts: %s",
					error->message)));
	FreeErrorData(error);
}

void
opengauss_hash_texts(QueryDesc *queryDesc, Extract *extract)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context;

	if (IsInParallelMode())
		return;
	context = AllocSetContextCreate(caller, "openGauss texts", ALLOCSET_DEFAULT_SIZES);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		hash_plan(queryDesc, extract);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		give_up(extract, caller, owner);
	}
	PG_END_TRY();
	MemoryContextDelete(context);
}
