/*
 * explain_native.c - EXPLAIN (PREDICTOR) through the hooks that PostgreSQL 18 has for it.
 *
 * The request lives in the ExplainState; auto_explain and every other user of EXPLAIN's printing has
 * an ExplainState of its own, without a request, and prints as ever. Plans of one command are printed
 * one after the other: the first node of each brings its prediction, and the hook at the plan's end
 * forgets it, so that an EState which happens to lie where the last one lay is not taken for it.
 *
 * So EXPLAIN ANALYZE predicts when the statement has run, on purpose: what we do while it is printed is
 * not part of its "Execution Time". Nothing of the run can reach the prediction, for what is measured
 * is captured only at ExecutorEnd, after printing.
 */
#include "postgres.h"

#include "extension/explain_opengauss.h"

#if PG_VERSION_NUM >= 180000

#include "executor/execdesc.h"

static int	extension_id;
static explain_per_node_hook_type prev_per_node;
static explain_per_plan_hook_type prev_per_plan;

typedef struct NativeExplain
{
	ExplainRequest request;
	EState	   *estate;			/* of the plan being printed, NULL between plans */
	Answer	   *answer;			/* its prediction, or NULL */
	int			next;			/* the node that should come next */
	int			printed;		/* up to here the output is of earlier nodes */
} NativeExplain;

static void
predictor_option(ExplainState *es, DefElem *option, ParseState *pstate)
{
	NativeExplain *explain;

	if (GetExplainExtensionState(es, extension_id) != NULL)
		explain_option_repeated(pstate, option);
	explain = palloc0(sizeof(NativeExplain));
	explain_read_option(&explain->request, pstate, option);
	explain->request.context = CurrentMemoryContext;
	SetExplainExtensionState(es, extension_id, explain);
}

/* EXPLAIN's hook is not told the QueryDesc, but all that a prediction reads of it is in the EState. */
static void
begin_plan(NativeExplain *explain, PlanState *planstate)
{
	EState	   *estate = planstate->state;
	QueryDesc	queryDesc = {0};

	queryDesc.operation = estate->es_plannedstmt->commandType;
	queryDesc.plannedstmt = estate->es_plannedstmt;
	queryDesc.sourceText = estate->es_sourceText;
	queryDesc.snapshot = estate->es_snapshot;
	queryDesc.params = estate->es_param_list_info;
	queryDesc.queryEnv = estate->es_queryEnv;
	queryDesc.instrument_options = estate->es_instrument;
	queryDesc.estate = estate;
	queryDesc.planstate = planstate;
	explain->estate = estate;
	explain->answer = explain_predict(&explain->request, &queryDesc);
	explain->next = 0;
}

static void
show_node(NativeExplain *explain, PlanState *planstate, ExplainState *es)
{
	const Answer *answer = explain->answer;

	/* Both sides walk in the same order; search only where they do not. */
	for (int tried = 0; tried < answer->node_count; tried++)
	{
		int			node = (explain->next + tried) % answer->node_count;

		if (answer->extract->states[node] == planstate)
		{
			if (explain->request.is_opengauss)
				explain_opengauss_insert(&answer->nodes[node], planstate->plan, explain->printed, es);
			else
				explain_show_node(&answer->nodes[node], es);
			explain->next = node + 1;
			return;
		}
	}
}

static void
per_node(PlanState *planstate, List *ancestors, const char *relationship, const char *plan_name,
		 ExplainState *es)
{
	NativeExplain *explain;

	if (prev_per_node)
		prev_per_node(planstate, ancestors, relationship, plan_name, es);
	explain = GetExplainExtensionState(es, extension_id);
	if (explain == NULL)
		return;
	if (explain->estate != planstate->state)
		begin_plan(explain, planstate);
	if (explain->answer != NULL)
		show_node(explain, planstate, es);
	explain->printed = es->str->len;
}

static void
per_plan(PlannedStmt *plannedstmt, IntoClause *into, ExplainState *es, const char *queryString,
		 ParamListInfo params, QueryEnvironment *queryEnv)
{
	NativeExplain *explain;

	if (prev_per_plan)
		prev_per_plan(plannedstmt, into, es, queryString, params, queryEnv);
	explain = GetExplainExtensionState(es, extension_id);
	if (explain == NULL)
		return;
	if (explain->answer != NULL && !explain->request.is_opengauss)
		explain_show_plan(explain->answer, es);
	explain->estate = NULL;
	explain->answer = NULL;
}

void
explain_init(void)
{
	extension_id = GetExplainExtensionId(EXPLAIN_OPTION_NAME);
	RegisterExtensionExplainOption(EXPLAIN_OPTION_NAME, predictor_option);
	prev_per_node = explain_per_node_hook;
	explain_per_node_hook = per_node;
	prev_per_plan = explain_per_plan_hook;
	explain_per_plan_hook = per_plan;
}

#endif
