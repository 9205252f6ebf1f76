/*
 * limit.c - see limit.h.
 *
 * A statement is judged before it is started: until then no hook has heard of it, no other server has
 * been asked for its part, and a refusal leaves nothing behind. But only a started plan can be described:
 * without the partitions that go at its start, and with the caller's rights checked, or the refusal
 * would tell what he may not know. So a copy is started as EXPLAIN starts one, which runs nothing, and
 * ended again. The model is the default one, and the hook reads shared memory alone; where no model
 * answers nothing is judged.
 *
 * Most statements are nowhere near the limit, and saying so must cost next to nothing:
 *
 *	Far below. A plan whose interval ended at less than a FAR_BELOW-th of the limit is remembered by what
 *	the planner thought of it - query id, nodes, relations, costs and rows, not the address of anything -
 *	and by the model's generation. Executions with other constants that the planner thinks alike are let
 *	through without another prediction: 64 of them, and with each time that the plan turns out to be far
 *	below again twice as many as before, up to 4096.
 *
 *	The same again. For a plan with the same values the answer is in memory (memo.h).
 *
 * Not judged, whatever the settings: EXPLAIN without ANALYZE, parallel workers (their leader was),
 * queries of referential integrity (what ALTER TABLE runs to validate it included), and all that is not
 * an ordinary client's backend: autovacuum, background workers, apply workers, our own.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "optimizer/planmain.h"
#include "tcop/pquery.h"
#include "utils/portal.h"

#include "extension/capture.h"
#include "extension/compat.h"
#include "extension/fingerprint.h"
#include "extension/limit.h"
#include "extension/memo.h"
#include "extension/settings.h"

#define FAR_BELOW 100
#define FEWEST_LET_THROUGH 64
#define MOST_LET_THROUGH 4096
#define PLACES 256				/* a power of two */

/* What is known of statements that are alike: what the last one was predicted to take at most. */
typedef struct Judged
{
	uint64		key;			/* 0: not used */
	float		high_ms;
	uint32		let_through;	/* executions, each time that it is predicted */
	uint32		left;			/* of these */
} Judged;

static Judged judged[PLACES];
static uint64 epoch = 0;		/* part of every key: what is forgotten is not found any more */
static ExecutorStart_hook_type previous_start = NULL;

void
limit_forget(void)
{
	epoch++;
}

static uint64
key_of(const ServedModel *model, const PlannedStmt *statement)
{
	const Plan *plan = statement->planTree;
	uint64		key = mix_bits(fingerprint_plan(statement).hash, epoch);

	key = mix_bits(key, statement->queryId);
	key = mix_number(key, plan->startup_cost);
	key = mix_number(key, plan->total_cost);
	key = mix_number(key, plan->plan_rows);
	key = mix_bits(key, model->generation);
	key = mix_bits(key, model->key.id);
	return key != 0 ? key : 1;
}

static bool
is_far_below(uint64 key)
{
	Judged	   *place = &judged[key & (PLACES - 1)];

	if (place->key != key || place->left == 0 ||
		place->high_ms * FAR_BELOW >= predictor_max_predicted_time)
		return false;
	place->left--;
	return true;
}

static void
remember(uint64 key, double high_ms)
{
	Judged	   *place = &judged[key & (PLACES - 1)];
	bool		is_same = place->key == key && high_ms * FAR_BELOW < predictor_max_predicted_time;

	place->key = key;
	place->high_ms = high_ms;
	place->let_through = is_same ? Min(place->let_through * 2, MOST_LET_THROUGH) : FEWEST_LET_THROUGH;
	place->left = place->let_through;
}

/* What a cursor's client is expected to wait for: the planner's guess of the part that it fetches. */
static double
share_of(const QueryDesc *queryDesc)
{
	Portal		portal = ActivePortal;

	if (portal == NULL || (portal->cursorOptions & CURSOR_OPT_FAST_PLAN) == 0 ||
		portal->stmts == NIL || linitial(portal->stmts) != (void *) queryDesc->plannedstmt)
		return 1;
	return cursor_tuple_fraction;
}

/*
 * The time at predictor.limit_quantile: between the three quantiles that a model gives, 5 %, 50 % and
 * 95 %, by straight lines in logarithms.
 */
static double
time_at_quantile(const PredictorPlanPrediction *plan)
{
	double		quantile = predictor_limit_quantile;
	double		end = quantile < 0.5 ? plan->low_ms : plan->high_ms;
	double		weight = fabs(quantile - 0.5) / 0.45;

	if (weight == 0 || !(plan->total_ms > 0) || !(end > 0) || isinf(end))
		return plan->total_ms;
	return plan->total_ms * pow(end / plan->total_ms, weight);
}

static int
level_of(const PredictorPlanPrediction *plan)
{
	if (plan->out_of_distribution && !predictor_limit_unreliable)
		return LOG;
	return predictor_limit_action == LIMIT_ERROR ? ERROR :
		predictor_limit_action == LIMIT_WARNING ? WARNING : LOG;
}

/* Says that the statement is over the limit; does not return if it is refused. */
static void
object(const ServedModel *model, const PredictorPlanPrediction *plan, double expected, double share)
{
	int			level = level_of(plan);
	char	   *part = share < 1 ?
		psprintf(" Of a cursor, startup and %.0f%% of the rest count.", share * 100) : "";

	shared_count(COUNTER_OVER_LIMIT);
	if (level == ERROR)
		shared_count(COUNTER_REFUSED);
	ereport(level,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("statement is predicted to take %.0f ms, more than the limit of %.0f ms",
					expected, predictor_max_predicted_time),
			 errdetail("Predicted time: %.3f ms (90%% %.3f..%.3f) by model \"%s\" version %d, source %s%s.%s",
					   plan->total_ms, plan->low_ms, plan->high_ms, NameStr(model->name), model->version,
					   predictor_source_text(plan->source),
					   plan->out_of_distribution ? ", out of distribution" : "", part),
			 errhint("The limit is predictor.max_predicted_time at predictor.limit_quantile = %g; predictor.limit_action says what happens to statements beyond it.",
					 predictor_limit_quantile)));
}

/*
 * The answer for a statement that has not been started, and the model that gave it; NULL: there is none.
 * Raises what starting the statement would. What decides about partitions may be functions that predict
 * something themselves, so the model is looked up when the copy has been started.
 */
static const ServedModel *
predict_unstarted(const QueryDesc *queryDesc, WholeAnswer *whole)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "predictor limit",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(memory);
	QueryDesc  *copy = CreateQueryDesc(queryDesc->plannedstmt, queryDesc->sourceText,
									   queryDesc->snapshot, queryDesc->crosscheck_snapshot,
									   None_Receiver, queryDesc->params, queryDesc->queryEnv, 0);
	const ServedModel *model;
	const char *problem;
	Answer	   *answer = NULL;

	standard_ExecutorStart(copy, EXEC_FLAG_EXPLAIN_ONLY);
	model = serve_ready_model();
	if (model != NULL)
		answer = serve_predict(model, copy, memory, &problem);
	if (answer != NULL)
	{
		whole->plan = answer->plan;
		whole->startup_ms = answer->nodes[0].startup_ms;
		memo_put(memo_key(model, queryDesc), whole);
	}
	standard_ExecutorEnd(copy);
	FreeQueryDesc(copy);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(memory);
	return answer != NULL ? model : NULL;
}

/* What to hold against the limit: of a cursor, startup and the part of the rest that is fetched. */
static double
expected_time(const WholeAnswer *answer, double share)
{
	double		expected = time_at_quantile(&answer->plan);
	double		startup;

	if (share >= 1 || !(answer->plan.total_ms > 0))
		return expected;
	startup = Min(answer->startup_ms / answer->plan.total_ms, 1);
	return expected * (startup + (1 - startup) * share);
}

static void
judge(const QueryDesc *queryDesc)
{
	const ServedModel *model = serve_ready_model();
	uint64		coarse_key;
	WholeAnswer answer;
	double		share;
	double		expected;

	if (model == NULL || queryDesc->plannedstmt->planTree == NULL)
		return;
	coarse_key = key_of(model, queryDesc->plannedstmt);
	if (is_far_below(coarse_key))
		return;
	if (!memo_find(memo_key(model, queryDesc), &answer))
		model = predict_unstarted(queryDesc, &answer);
	if (model == NULL)
		return;
	remember(coarse_key, answer.plan.high_ms);
	share = share_of(queryDesc);
	expected = expected_time(&answer, share);
	if (expected > predictor_max_predicted_time)
		object(model, &answer.plan, expected, share);
}

static bool
is_judged(int eflags)
{
	return predictor_max_predicted_time > 0 &&
		predictor_enabled &&
		(eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0 &&
		MyBackendType == B_BACKEND &&
		!IsParallelWorker() &&
		(predictor_limit_nested || capture_nesting_level() == 0) &&
		!InNoForceRLSOperation() && !capture_is_altering_table() &&
		(predictor_limit_superusers || !superuser_arg(GetSessionUserId()));
}

static void
limit_ExecutorStart(QueryDesc *queryDesc, int eflags)
{
	if (is_judged(eflags))
		judge(queryDesc);
	if (previous_start)
		previous_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
}

void
limit_init(void)
{
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = limit_ExecutorStart;
}
