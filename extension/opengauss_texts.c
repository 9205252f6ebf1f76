/*
 * opengauss_texts.c - see opengauss_texts.h.
 *
 * Each text is made twice: from the plan, to be hashed and forgotten, and from a copy of the plan that
 * has no literals (hide_literals.h), to be kept. Only the second is ever put into a message.
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

#include "extension/allocate.h"
#include "extension/hide_literals.h"
#include "extension/opengauss_shapes.h"
#include "extension/opengauss_texts.h"
#include "plan/opengauss_encoding.h"

/* A longer text of a list is left out; a projection ends when it is longer. */
#define MAX_TEXT_LENGTH 3999

#define HASH_MASK ((UINT32_C(1) << PREDICTOR_OPENGAUSS_HASH_BITS) - 1)

/* What is shown where a literal was. */
#define LITERAL '?'

/* One plan's texts. */
typedef struct Texts
{
	const Extract *extract;
	PlannedStmt *statement;
	Plan	  **plans;			/* of the nodes, in the statement */
	bool		hides;			/* the statement has no literals */
	List	   *context;		/* for the deparser */
	List	   *names;			/* of relations, as the deparser was told them */
} Texts;

/*
 * What the deparser is told to call the plan's relations: "schema.table", not an alias. To it that
 * is one odd name, which it puts into quotes; append_shown() takes them away again.
 */
static void
name_relations(Texts *texts)
{
	PlannedStmt *statement = texts->statement;
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

/* If a hidden literal stands at `text`, appends what is shown for it and returns its length. */
static size_t
append_literal(const Texts *texts, const char *text, StringInfo out)
{
	size_t		length = strlen(HIDDEN_LITERAL_TEXT);

	if (!texts->hides || strncmp(text, HIDDEN_LITERAL_TEXT, length) != 0)
		return 0;
	appendStringInfoChar(out, LITERAL);
	return length;
}

/* Appends the text without the quotes around the relations' names, and with hidden literals as shown. */
static void
append_shown(const Texts *texts, const char *text, StringInfo out)
{
	while (*text != '\0')
	{
		size_t		plain = strcspn(text, "\"$");

		appendBinaryStringInfo(out, text, plain);
		text += plain;
		if (*text != '\0')
		{
			size_t		length = *text == '"' ? append_name(texts, text, out) : append_literal(texts, text, out);

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
			append_shown(texts, text, out);
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

/* The nodes' plans in the statement that is deparsed: of the executed one, or of its copy without literals. */
static Plan **
plans_of(const Extract *extract, HiddenPlan *hidden)
{
	Plan	  **plans = palloc(sizeof(Plan *) * extract->record.node_count);

	for (int i = 0; i < extract->record.node_count; i++)
	{
		plans[i] = extract->states[i]->plan;
		if (hidden != NULL)
			plans[i] = hidden_plan(hidden, plans[i]);
	}
	return plans;
}

static void
deparse_node(Texts *texts, int i, StringInfo condition, StringInfo projection)
{
	const PredictorNode *nodes = texts->extract->record.nodes;
	Plan	   *plan = texts->plans[i];
	List	   *ancestors = NIL;
	const char *separator = " ";
	ListCell   *cell;

	CHECK_FOR_INTERRUPTS();
	for (int above = nodes[i].parent; above >= 0; above = nodes[above].parent)
		ancestors = lappend(ancestors, texts->plans[above]);
	resetStringInfo(condition);
	resetStringInfo(projection);
	texts->context = set_deparse_context_plan(texts->context, plan, ancestors);
	appendStringInfoChar(condition, ' ');
	append_own_lists(texts, plan, condition);
	if (has_filter(plan))
		append_list(texts, plan->qual, condition);
	foreach(cell, has_projection(plan) ? plan->targetlist : NIL)
	{
		appendStringInfoString(projection, separator);
		append_shown(texts, deparse(texts, (Node *) lfirst_node(TargetEntry, cell)->expr), projection);
		if (projection->len > MAX_TEXT_LENGTH)
			break;
		separator = ", ";
	}
	if (projection->len == 0)
		appendStringInfoChar(projection, ' ');
}

static uint32
hash_of(const StringInfoData *text)
{
	return predictor_opengauss_hash(text->data, text->len) & HASH_MASK;
}

static void
hash_plan(QueryDesc *queryDesc, Extract *extract)
{
	Texts		texts = {extract, queryDesc->plannedstmt, plans_of(extract, NULL), false, NIL, NIL};
	StringInfoData condition;
	StringInfoData projection;

	initStringInfo(&condition);
	initStringInfo(&projection);
	name_relations(&texts);
	for (int i = 0; i < extract->record.node_count; i++)
	{
		deparse_node(&texts, i, &condition, &projection);
		extract->record.nodes[i].text_hashes = PREDICTOR_NODE_HAS_TEXT_HASHES | hash_of(&condition) |
			hash_of(&projection) << PREDICTOR_OPENGAUSS_HASH_BITS;
	}
}

/* The texts without literals, if there is memory for them. */
static void
shape_plan(QueryDesc *queryDesc, Extract *extract)
{
	HiddenPlan *hidden = hide_literals(queryDesc->plannedstmt);
	Texts		texts = {extract, hidden_statement(hidden), plans_of(extract, hidden), true, NIL, NIL};
	int			others = 2 * extract->record.node_count;
	StringInfoData condition;
	StringInfoData projection;
	StringInfoData shapes;
	char	   *bytes;

	initStringInfo(&condition);
	initStringInfo(&projection);
	initStringInfo(&shapes);
	name_relations(&texts);
	for (int i = 0; i < extract->record.node_count; i++)
	{
		deparse_node(&texts, i, &condition, &projection);
		opengauss_shapes_append(&shapes, &condition, --others);
		opengauss_shapes_append(&shapes, &projection, --others);
	}
	bytes = allocate_or_null(queryDesc->estate->es_query_cxt, shapes.len);
	if (bytes == NULL)
		return;
	memcpy(bytes, shapes.data, shapes.len);
	extract->shapes = bytes;
	extract->shapes_size = shapes.len;
}

/* Ends the subtransaction after an error. An error that was meant to end the statement does. */
static void
give_up(const char *what, MemoryContext caller, ResourceOwner owner)
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
	/* the statement would follow, with its literals */
	ereport(LOG_SERVER_ONLY,
			(errhidestmt(true), errhidecontext(true),
			 errmsg("predictor described a statement without openGauss's %s", what),
			 errdetail("Making them failed with SQLSTATE %s. The message is not shown, since it may quote a literal.",
					   unpack_sql_state(error->sqlerrcode))));
	FreeErrorData(error);
}

/* Does the work in a subtransaction of its own; false: it failed, and the log says what is missing. */
static bool
try_deparsing(void (*work) (QueryDesc *, Extract *), QueryDesc *queryDesc, Extract *extract, const char *what)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context = AllocSetContextCreate(caller, "openGauss texts", ALLOCSET_DEFAULT_SIZES);
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(queryDesc, extract);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		done = true;
	}
	PG_CATCH();
	{
		give_up(what, caller, owner);
	}
	PG_END_TRY();
	MemoryContextDelete(context);
	return done;
}

void
opengauss_hash_texts(QueryDesc *queryDesc, Extract *extract)
{
	/* hashes of all nodes or of none */
	if (!IsInParallelMode() && !try_deparsing(hash_plan, queryDesc, extract, "hashes of its texts"))
		for (int i = 0; i < extract->record.node_count; i++)
			extract->record.nodes[i].text_hashes = 0;
}

void
opengauss_shape_texts(QueryDesc *queryDesc, Extract *extract)
{
	const PredictorStatement *statement = &extract->record.statement;

	if (!IsInParallelMode() && opengauss_shapes_are_wanted(statement) &&
		!try_deparsing(shape_plan, queryDesc, extract, "normalised texts"))
		opengauss_shapes_are_done(statement);
}
