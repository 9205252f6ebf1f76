/*
 * explain.c - the option's value, the prediction of one plan, and how it is printed; see explain.h.
 *
 * The model is looked up anew for each plan, directly before it is used: a ServedModel is valid only
 * until the next look-up in this backend, and both planning and running the explained statement may
 * call functions that look up other models.
 */
#include "postgres.h"

#include <math.h>

#include "commands/defrem.h"
#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "extension/explain_opengauss.h"
#include "extension/settings.h"

void
explain_read_option(ExplainRequest *request, ParseState *pstate, DefElem *option)
{
	request->is_opengauss = predictor_explain_style == EXPLAIN_LIKE_OPENGAUSS;
	request->model = NULL;
	if (option->arg == NULL && request->is_opengauss)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("%s requires a parameter", option->defname),
				 parser_errposition(pstate, option->location)));
	if (option->arg == NULL)
		return;
	if (!IsA(option->arg, String) || strVal(option->arg)[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for EXPLAIN option \"%s\": \"%s\"", option->defname,
						defGetString(option)),
				 errhint("Give the name of a model, or no value for the default model."),
				 parser_errposition(pstate, option->location)));
	request->model = strVal(option->arg);
}

void
explain_option_repeated(ParseState *pstate, DefElem *option)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("conflicting or redundant options"),
			 parser_errposition(pstate, option->location)));
}

void
explain_load_model(ExplainRequest *request)
{
	const char *problem;
	const char *hint;

	if (predictor_enabled && !explain_opengauss_finds(request))
		serve_model(request->model, &problem, &hint);
}

Answer *
explain_predict(ExplainRequest *request, QueryDesc *queryDesc)
{
	const char *problem = NULL;
	const char *hint = NULL;
	Answer	   *answer = NULL;

	if (predictor_enabled && explain_opengauss_finds(request))
		return explain_opengauss_predict(request, queryDesc);
	if (predictor_enabled)
	{
		const ServedModel *model = serve_model(request->model, &problem, &hint);

		if (model != NULL)
			answer = serve_predict(model, queryDesc, request->context, &problem);
	}
	else
	{
		problem = "predictor.enabled is off";
		hint = "Turn it on with SET predictor.enabled = on.";
	}
	if (answer == NULL && !request->told)
	{
		request->told = true;
		ereport(request->model != NULL && predictor_enabled ? WARNING : NOTICE,
				(request->is_opengauss && predictor_enabled ?
				 errmsg("MLModel not found for model name %s", request->model) :
				 errmsg("no prediction: %s", problem),
				 request->is_opengauss && predictor_enabled ? errdetail_internal("%s", problem) : 0,
				 hint != NULL ? errhint("%s", hint) : 0));
	}
	return answer;
}

static bool
is_known(double number)
{
	return !isnan(number) && !isinf(number);
}

static void
indent_text(ExplainState *es)
{
	appendStringInfoSpaces(es->str, es->indent * 2);
}

static void
append_interval(StringInfo str, double low, double high)
{
	if (is_known(low) && is_known(high))
		appendStringInfo(str, " (90%% %.3f..%.3f)", low, high);
}

static void
show_number(const char *label, const char *unit, double number, int digits, ExplainState *es)
{
	if (is_known(number))
		ExplainPropertyFloat(label, unit, number, digits, es);
}

static void
show_node_text(const PredictorNodePrediction *p, ExplainState *es)
{
	StringInfoData line;

	initStringInfo(&line);
	if (is_known(p->total_ms))
	{
		appendStringInfoString(&line, " time=");
		if (is_known(p->startup_ms))
			appendStringInfo(&line, "%.3f..", p->startup_ms);
		appendStringInfo(&line, "%.3f", p->total_ms);
		append_interval(&line, p->low_ms, p->high_ms);
	}
	if (is_known(p->rows))
		appendStringInfo(&line, " rows=%.0f", p->rows);
	if (is_known(p->loops))
		appendStringInfo(&line, " loops=%.0f", p->loops);
	if (is_known(p->memory_kb))
		appendStringInfo(&line, " memory=%.0fkB", p->memory_kb);
	if (line.len > 0)
	{
		indent_text(es);
		appendStringInfo(es->str, "Predicted:%s\n", line.data);
	}
	pfree(line.data);
}

void
explain_show_node(const PredictorNodePrediction *p, ExplainState *es)
{
	if (es->format == EXPLAIN_FORMAT_TEXT)
	{
		show_node_text(p, es);
		return;
	}
	show_number("Predicted Startup Time", "ms", p->startup_ms, 3, es);
	show_number("Predicted Total Time", "ms", p->total_ms, 3, es);
	show_number("Predicted Low", "ms", p->low_ms, 3, es);
	show_number("Predicted High", "ms", p->high_ms, 3, es);
	show_number("Predicted Rows", NULL, p->rows, 0, es);
	show_number("Predicted Loops", NULL, p->loops, 0, es);
	show_number("Predicted Memory", "kB", p->memory_kb, 0, es);
}

/* How many seconds ago the model was trained and so its intervals were calibrated. */
static int64
age_of(const Answer *answer)
{
	return Max(0, (GetCurrentTimestamp() - answer->trained_at) / USECS_PER_SEC);
}

static void
append_age(StringInfo str, int64 seconds)
{
	if (seconds < 2 * SECS_PER_MINUTE)
		appendStringInfo(str, " age=" INT64_FORMAT " s", seconds);
	else if (seconds < 2 * SECS_PER_HOUR)
		appendStringInfo(str, " age=" INT64_FORMAT " min", seconds / SECS_PER_MINUTE);
	else if (seconds < 2 * SECS_PER_DAY)
		appendStringInfo(str, " age=" INT64_FORMAT " h", seconds / SECS_PER_HOUR);
	else
		appendStringInfo(str, " age=" INT64_FORMAT " d", seconds / SECS_PER_DAY);
}

static void
show_plan_text(const Answer *answer, ExplainState *es)
{
	const PredictorPlanPrediction *p = &answer->plan;

	indent_text(es);
	appendStringInfo(es->str, "Prediction: model=%s version=%d source=%s",
					 quote_identifier(NameStr(answer->model)), answer->version,
					 predictor_source_text(p->source));
	if (is_known(p->total_ms))
	{
		appendStringInfo(es->str, " time=%.3f ms", p->total_ms);
		append_interval(es->str, p->low_ms, p->high_ms);
	}
	append_age(es->str, age_of(answer));
	if (p->out_of_distribution)
		appendStringInfo(es->str, " out of distribution (strangeness %.2f)", p->strangeness);
	appendStringInfoChar(es->str, '\n');
}

void
explain_show_plan(const Answer *answer, ExplainState *es)
{
	const PredictorPlanPrediction *p = &answer->plan;

	if (es->format == EXPLAIN_FORMAT_TEXT)
	{
		show_plan_text(answer, es);
		return;
	}
	ExplainOpenGroup("Prediction", "Prediction", true, es);
	ExplainPropertyText("Model", NameStr(answer->model), es);
	ExplainPropertyInteger("Version", NULL, answer->version, es);
	ExplainPropertyText("Source", predictor_source_text(p->source), es);
	show_number("Total Time", "ms", p->total_ms, 3, es);
	show_number("Low", "ms", p->low_ms, 3, es);
	show_number("High", "ms", p->high_ms, 3, es);
	ExplainPropertyInteger("Calibration Age", "s", age_of(answer), es);
	ExplainPropertyBool("Out Of Distribution", p->out_of_distribution, es);
	ExplainPropertyFloat("Strangeness", NULL, p->strangeness, 2, es);
	ExplainCloseGroup("Prediction", "Prediction", true, es);
}
