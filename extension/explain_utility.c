/*
 * explain_utility.c - EXPLAIN (PREDICTOR) on PostgreSQL 14 to 17, whose EXPLAIN has no hooks of its own.
 *
 * PostgreSQL gets the command without our option, and prints a plan in which each node's width is a
 * mark (explain_marks.c); the receiver that we put in front of the client's turns marks into widths
 * and predictions (explain_rewrite.c). COSTS OFF would hide the marks: then PostgreSQL prints with
 * costs, and what costs print is taken out again, node by node.
 *
 * "Execution Time" has the time of our executor hooks in it: some tens of microseconds, since the model
 * is loaded before.
 *
 * Memory. All of a command's state is in one context below the one it was called in; it goes with the
 * command, or, after an error, with its parent.
 */
#include "postgres.h"

#include "extension/explain.h"

#if PG_VERSION_NUM < 180000

#include "commands/defrem.h"
#include "commands/prepare.h"
#include "executor/tuptable.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "extension/compat.h"
#include "extension/explain_marks.h"
#include "extension/utility_chain.h"

#define FIRST_MARK_LOW 1500000000
#define FIRST_MARK_RANGE 400000000

/* In front of the receiver that EXPLAIN's output is for. */
typedef struct RewritingReceiver
{
	DestReceiver pub;
	DestReceiver *client;
	MarkedExplain *explain;
	TupleTableSlot *slot;
	StringInfoData text;
} RewritingReceiver;

static ProcessUtility_hook_type prev_process_utility;

/* The receiver */

static void
rewriting_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	RewritingReceiver *receiver = (RewritingReceiver *) self;

	receiver->client->rStartup(receiver->client, operation, typeinfo);
	receiver->slot = MakeSingleTupleTableSlot(typeinfo, &TTSOpsVirtual);
}

/* TEXT comes line by line, the other formats in one piece; text, json and xml look alike inside. */
static bool
rewriting_receive(TupleTableSlot *slot, DestReceiver *self)
{
	RewritingReceiver *receiver = (RewritingReceiver *) self;
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);

	if (!isnull)
	{
		text	   *line = DatumGetTextPP(value);

		appendBinaryStringInfo(&receiver->text, VARDATA_ANY(line), VARSIZE_ANY_EXHDR(line));
	}
	if (receiver->explain->output.format == EXPLAIN_FORMAT_TEXT)
		appendStringInfoChar(&receiver->text, '\n');
	return true;
}

static void
send_text(RewritingReceiver *receiver, const char *line, int length)
{
	TupleTableSlot *slot = receiver->slot;

	ExecClearTuple(slot);
	slot->tts_values[0] = PointerGetDatum(cstring_to_text_with_len(line, length));
	slot->tts_isnull[0] = false;
	ExecStoreVirtualTuple(slot);
	receiver->client->receiveSlot(slot, receiver->client);
	pfree(DatumGetPointer(slot->tts_values[0]));
}

/* The output is complete: each mark must have been in it once. */
static void
check_marks(const MarkedOutput *output)
{
	for (int i = 0; i < output->node_count; i++)
	{
		if (output->nodes[i].seen == 1)
			continue;
		ereport(WARNING,
				(errmsg("a node of the plan is shown without its prediction"),
				 errdetail("The mark of node %d was found %d times in the output of EXPLAIN.",
						   i, output->nodes[i].seen)));
		return;
	}
}

static void
rewriting_shutdown(DestReceiver *self)
{
	RewritingReceiver *receiver = (RewritingReceiver *) self;
	MarkedOutput *output = &receiver->explain->output;
	StringInfoData result;

	initStringInfo(&result);
	explain_rewrite(output, receiver->text.data, &result);
	if (output->format == EXPLAIN_FORMAT_TEXT)
	{
		const char *line = result.data;

		for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
			send_text(receiver, line, end - line);
	}
	else
		send_text(receiver, result.data, result.len);
	pfree(result.data);
	ExecDropSingleTupleTableSlot(receiver->slot);
	receiver->client->rShutdown(receiver->client);
	check_marks(output);
}

/* Our state's context owns the receiver, EXPLAIN's caller the one behind it. */
static void
rewriting_destroy(DestReceiver *self)
{
}

static DestReceiver *
create_receiver(MarkedExplain *explain, DestReceiver *client)
{
	RewritingReceiver *receiver = palloc0(sizeof(RewritingReceiver));

	receiver->pub.receiveSlot = rewriting_receive;
	receiver->pub.rStartup = rewriting_startup;
	receiver->pub.rShutdown = rewriting_shutdown;
	receiver->pub.rDestroy = rewriting_destroy;
	receiver->pub.mydest = client->mydest;
	receiver->client = client;
	receiver->explain = explain;
	initStringInfo(&receiver->text);
	return &receiver->pub;
}

/* The command */

static bool
is_ours(const Node *statement)
{
	ListCell   *cell;

	if (!IsA(statement, ExplainStmt))
		return false;
	foreach(cell, ((const ExplainStmt *) statement)->options)
		if (strcmp(lfirst_node(DefElem, cell)->defname, EXPLAIN_OPTION_NAME) == 0)
			return true;
	return false;
}

/* The text of the prepared statement that is explained, or NULL. */
static const char *
find_prepared_source(const ExplainStmt *statement)
{
	Node	   *node = statement->query;
	PreparedStatement *prepared;

	while (node != NULL && (IsA(node, Query) || IsA(node, CreateTableAsStmt)))
		node = IsA(node, Query) ? ((Query *) node)->utilityStmt
			: ((CreateTableAsStmt *) node)->query;
	if (node == NULL || !IsA(node, ExecuteStmt))
		return NULL;
	prepared = FetchPreparedStatement(((ExecuteStmt *) node)->name, false);
	return prepared == NULL ? NULL : prepared->plansource->query_string;
}

static ExplainFormat
format_value(DefElem *option)
{
	const char *value = defGetString(option);

	if (strcmp(value, "xml") == 0)
		return EXPLAIN_FORMAT_XML;
	if (strcmp(value, "json") == 0)
		return EXPLAIN_FORMAT_JSON;
	if (strcmp(value, "yaml") == 0)
		return EXPLAIN_FORMAT_YAML;
	return EXPLAIN_FORMAT_TEXT; /* or an error that PostgreSQL is about to raise */
}

/* Reads the options; returns the list that PostgreSQL is to see. */
static List *
read_options(MarkedExplain *explain, List *options, const char *queryString)
{
	ParseState *pstate = make_parsestate(NULL);
	bool		is_repeated = false;
	List	   *result = NIL;
	ListCell   *cell;

	pstate->p_sourcetext = queryString;
	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, EXPLAIN_OPTION_NAME) == 0)
		{
			if (is_repeated)
				explain_option_repeated(pstate, option);
			explain_read_option(&explain->request, pstate, option);
			explain->output.is_opengauss = explain->request.is_opengauss;
			is_repeated = true;
			continue;
		}
		if (strcmp(option->defname, "format") == 0)
			explain->output.format = format_value(option);
		else if (strcmp(option->defname, "costs") == 0)
			explain->output.hide_costs = !defGetBoolean(option);
		result = lappend(result, option);
	}
	free_parsestate(pstate);
	if (explain->output.hide_costs && !explain_hooks_are_stuck)
		foreach(cell, result)
			if (strcmp(lfirst_node(DefElem, cell)->defname, "costs") == 0)
				result = foreach_delete_current(result, cell);
	return result;
}

/* The command as PostgreSQL is to see it. The original may belong to a cached plan: it stays as it is. */
static PlannedStmt *
without_our_options(const PlannedStmt *pstmt, List *options)
{
	PlannedStmt *copy = makeNode(PlannedStmt);
	ExplainStmt *statement = makeNode(ExplainStmt);

	*copy = *pstmt;
	*statement = *(const ExplainStmt *) pstmt->utilityStmt;
	statement->options = options;
	copy->utilityStmt = (Node *) statement;
	return copy;
}

static MarkedExplain *
create_explain(MemoryContext context, const ExplainStmt *statement, const char *queryString)
{
	MarkedExplain *explain = MemoryContextAllocZero(context, sizeof(MarkedExplain));

	explain->request.context = context;
	explain->source = queryString;
	explain->prepared_source = find_prepared_source(statement);
	explain->output.format = EXPLAIN_FORMAT_TEXT;
	explain->output.first_mark = FIRST_MARK_LOW + (int) (random_fraction() * FIRST_MARK_RANGE);
	return explain;
}

/* A command that is run inside an EXPLAIN of ours: none of its plans is meant. */
static void
run_inside(UTILITY_PARAMS)
{
	MarkedExplain *outer = explain_active;

	explain_active = NULL;
	PG_TRY();
	{
		utility_next(prev_process_utility, UTILITY_ARGS);
	}
	PG_FINALLY();
	{
		explain_active = outer;
	}
	PG_END_TRY();
}

/* Runs the command with marks in its plans. `pstmt` no longer has our option. */
static void
run_marked(MarkedExplain *explain, UTILITY_PARAMS)
{
	MarkedExplain *outer = explain_active;

	explain_load_model(&explain->request);
	explain_active = explain;
	explain_set_hooks();
	PG_TRY();
	{
		utility_next(prev_process_utility, UTILITY_ARGS);
	}
	PG_FINALLY();
	{
		explain_remove_marks(explain);
		explain_active = outer;
		explain_reset_hooks();
	}
	PG_END_TRY();
}

static void
run_ours(UTILITY_PARAMS)
{
	ExplainStmt *statement = (ExplainStmt *) pstmt->utilityStmt;
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "EXPLAIN (PREDICTOR)",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(memory);
	MarkedExplain *explain = create_explain(memory, statement, queryString);
	List	   *options = read_options(explain, statement->options, queryString);
	PlannedStmt *stripped = without_our_options(pstmt, options);
	DestReceiver *receiver = create_receiver(explain, dest);

	MemoryContextSwitchTo(previous);
	if (explain_hooks_are_stuck)
	{
		ereport(NOTICE,
				(errmsg("no prediction: a library was loaded while EXPLAIN (PREDICTOR) ran"),
				 errhint("Reconnect.")));
		run_inside(stripped, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	}
	else
		run_marked(explain, stripped, queryString, readOnlyTree, context, params, queryEnv,
				   receiver, qc);
	MemoryContextDelete(memory);
}

static void
explain_process_utility(UTILITY_PARAMS)
{
	if (is_ours(pstmt->utilityStmt))
		run_ours(UTILITY_ARGS);
	else if (explain_active != NULL)
		run_inside(UTILITY_ARGS);
	else
		utility_next(prev_process_utility, UTILITY_ARGS);
}

void
explain_init(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = explain_process_utility;
}

#endif
