/*
 * predict_functions.c - predictor.predict() and predictor.predict_total().
 *
 * They parse, plan and start the statement as EXPLAIN does, so that PostgreSQL itself checks the
 * caller's rights, and run nothing of it. As with EXPLAIN, planning may evaluate functions that are
 * immutable or stable.
 *
 * Values for $1, $2, ... come as text and are read as the types that the statement gives them; the plan
 * is the one that is made for just these values.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "parser/analyze.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "extension/capture.h"
#include "extension/compat.h"
#include "extension/predict_functions.h"
#include "extension/serve.h"

PG_FUNCTION_INFO_V1(predictor_predict);
PG_FUNCTION_INFO_V1(predictor_predict_total);

static RawStmt *
parse_one(const char *query)
{
	List	   *statements = pg_parse_query(query);

	if (list_length(statements) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 statements == NIL ? errmsg("there is no statement to predict") :
				 errmsg("only one statement can be predicted at a time")));
	return linitial(statements);
}

/* Parse analysis that finds out the types of parameters, if there may be any. */
static List *
analyze(RawStmt *raw, const char *query, bool with_parameters, Oid **types, int *count)
{
#if PG_VERSION_NUM >= 150000
	return with_parameters ? pg_analyze_and_rewrite_varparams(raw, query, types, count, NULL) :
		pg_analyze_and_rewrite_fixedparams(raw, query, NULL, 0, NULL);
#else
	Query	   *analyzed;

	if (!with_parameters)
		return pg_analyze_and_rewrite(raw, query, NULL, 0, NULL);
	analyzed = parse_analyze_varparams(raw, query, types, count);
	return analyzed->commandType == CMD_UTILITY ? list_make1(analyzed) : QueryRewrite(analyzed);
#endif
}

/* The values as the statement's parameters; raises if their number or their text does not fit. */
static ParamListInfo
bind(ArrayType *values, const Oid *types, int count)
{
	Datum	   *texts;
	bool	   *nulls;
	int			given;
	ParamListInfo params;

	if (ARR_NDIM(values) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("parameters must be an array of one dimension")));
	deconstruct_array(values, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls, &given);
	if (given != count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the statement has %d parameters, and %d values were given", count, given)));
	params = makeParamList(count);
	for (int i = 0; i < count; i++)
	{
		ParamExternData *param = &params->params[i];
		Oid			input;
		Oid			element;

		getTypeInputInfo(types[i], &input, &element);
		param->ptype = types[i];
		param->pflags = PARAM_FLAG_CONST;
		param->isnull = nulls[i];
		param->value = OidInputFunctionCall(input, nulls[i] ? NULL : TextDatumGetCString(texts[i]),
											element, -1);
	}
	return params;
}

static PlannedStmt *
plan_one(const char *query, ArrayType *values, ParamListInfo *params)
{
	RawStmt    *raw = parse_one(query);
	Oid		   *types = NULL;
	int			count = 0;
	List	   *queries = analyze(raw, query, values != NULL, &types, &count);

	if (list_length(queries) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a statement that rules rewrite into several cannot be predicted")));
	if (linitial_node(Query, queries)->commandType == CMD_UTILITY)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a utility statement has no plan to predict"),
				 errhint("Give a SELECT, INSERT, UPDATE, DELETE or MERGE.")));
	*params = values != NULL ? bind(values, types, count) : NULL;
	return pg_plan_query(linitial(queries), query, CURSOR_OPT_PARALLEL_OK, *params);
}

QueryDesc *
predict_start_query(const char *query, ArrayType *values)
{
	ParamListInfo params;
	PlannedStmt *plan = plan_one(query, values, &params);
	QueryDesc  *queryDesc;

	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	queryDesc = CreateQueryDesc(plan, query, GetActiveSnapshot(), InvalidSnapshot,
								None_Receiver, params, NULL, 0);
	ExecutorStart(queryDesc, EXEC_FLAG_EXPLAIN_ONLY);
	return queryDesc;
}

void
predict_end_query(QueryDesc *queryDesc)
{
	ExecutorEnd(queryDesc);
	FreeQueryDesc(queryDesc);
	PopActiveSnapshot();
}

/* The answer for the statement in argument 0 by the model in argument 1, with the values in argument 2. */
static Answer *
predict_arguments(FunctionCallInfo fcinfo, QueryDesc **queryDesc)
{
	const ServedModel *model;
	const char *problem;
	const char *hint;
	Answer	   *answer;

	shared_require();
	capture_forget();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the statement to predict must not be null")));
	*queryDesc = predict_start_query(text_to_cstring(PG_GETARG_TEXT_PP(0)),
									 PG_ARGISNULL(2) ? NULL : PG_GETARG_ARRAYTYPE_P(2));
	/* after planning, which may evaluate functions that look up models themselves */
	model = serve_model(PG_ARGISNULL(1) ? NULL : NameStr(*PG_GETARG_NAME(1)), &problem, &hint);
	if (model == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("%s", problem), hint ? errhint("%s", hint) : 0));
	answer = serve_predict(model, *queryDesc, CurrentMemoryContext, &problem);
	if (answer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the statement cannot be predicted: %s", problem)));
	return answer;
}

static Datum
number_or_null(double number, bool *isnull)
{
	*isnull = isnan(number);
	return Float8GetDatum(number);
}

/* The name that EXPLAIN would give the node's relation, or NULL. */
static const char *
relation_name(PlanState *state, QueryDesc *queryDesc)
{
	Index		target = extract_target(state->plan);
	RangeTblEntry *rte;

	if (target == 0)
		return NULL;
	rte = rt_fetch(target, queryDesc->plannedstmt->rtable);
	return rte->rtekind == RTE_RELATION ? get_rel_name(rte->relid) : NULL;
}

static void
put_node(Answer *answer, int i, QueryDesc *queryDesc, TupleDesc tupdesc, Tuplestorestate *store)
{
	PredictorNode *node = &answer->extract->record.nodes[i];
	PredictorNodePrediction *p = &answer->nodes[i];
	const char *relation = relation_name(answer->extract->states[i], queryDesc);
	Datum		values[12];
	bool		nulls[12] = {0};

	values[0] = Int32GetDatum(i);
	values[1] = Int32GetDatum(node->parent);
	nulls[1] = node->parent < 0;
	values[2] = CStringGetTextDatum(predictor_operator_name(node->op));
	nulls[3] = relation == NULL;
	values[3] = relation ? CStringGetTextDatum(relation) : (Datum) 0;
	values[4] = number_or_null(p->startup_ms, &nulls[4]);
	values[5] = number_or_null(p->total_ms, &nulls[5]);
	values[6] = number_or_null(p->low_ms, &nulls[6]);
	values[7] = number_or_null(p->high_ms, &nulls[7]);
	values[8] = number_or_null(p->rows, &nulls[8]);
	values[9] = number_or_null(p->loops, &nulls[9]);
	values[10] = number_or_null(p->memory_kb, &nulls[10]);
	values[11] = CStringGetTextDatum(predictor_source_text(answer->plan.source));
	tuplestore_putvalues(store, tupdesc, values, nulls);
}

Datum
predictor_predict(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	QueryDesc  *queryDesc;
	Answer	   *answer;

	begin_set_result(fcinfo);
	answer = predict_arguments(fcinfo, &queryDesc);
	for (int i = 0; i < answer->node_count; i++)
		put_node(answer, i, queryDesc, result->setDesc, result->setResult);
	predict_end_query(queryDesc);
	return (Datum) 0;
}

Datum
predictor_predict_total(PG_FUNCTION_ARGS)
{
	QueryDesc  *queryDesc;
	Answer	   *answer = predict_arguments(fcinfo, &queryDesc);
	TupleDesc	tupdesc;
	Datum		values[10];
	bool		nulls[10] = {0};

	tupdesc = sql_row_type(fcinfo);
	values[0] = number_or_null(answer->plan.total_ms, &nulls[0]);
	values[1] = number_or_null(answer->plan.low_ms, &nulls[1]);
	values[2] = number_or_null(answer->plan.high_ms, &nulls[2]);
	values[3] = number_or_null(answer->plan.rows, &nulls[3]);
	values[4] = number_or_null(answer->plan.memory_kb, &nulls[4]);
	values[5] = CStringGetTextDatum(predictor_source_text(answer->plan.source));
	values[6] = NameGetDatum(&answer->model);
	values[7] = Int32GetDatum(answer->version);
	values[8] = BoolGetDatum(answer->plan.out_of_distribution);
	values[9] = Float8GetDatum(answer->plan.strangeness);
	predict_end_query(queryDesc);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}
