/*
 * explain_opengauss.c - see explain_opengauss.h.
 *
 * What openGauss makes an error of, after the statement has run, is a warning here, and the plan is
 * printed without predictions. The model is evaluated in the backend: no engine is asked.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "extension/explain_opengauss.h"
#include "extension/opengauss_answer.h"
#include "extension/opengauss_texts.h"
#include "extension/settings.h"

/* Columns that are read of gs_opt_model and trained_model. */
#define MODEL_NAME 2
#define MODEL_DATNAME 3
#define MODEL_AVAILABLE 12
#define MODEL_IS_TRAINING 13
#define TRAINED_NAME 1
#define TRAINED_BUNDLE 2

/* A row of gs_opt_model with what was trained for it. */
struct OpenGaussModel
{
	NameData	name;
	NameData	datname;
	bool		available;
	bool		is_training;
	void	   *bundle;			/* aligned to 8; NULL: never trained */
	Size		size;
};

/* ---- the model ---- */

/* The extension's own table, or NULL: anybody may have made one of that name without it. */
static Relation
open_table(const char *name)
{
	Oid			extension = get_extension_oid("predictor_opengauss", true);
	Oid			schema = get_namespace_oid("opengauss", true);
	Oid			table = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(extension) || !OidIsValid(table) ||
		getExtensionOfObject(RelationRelationId, table) != extension)
		return NULL;
	return table_open(table, AccessShareLock);
}

typedef void (*RowReader) (HeapTuple row, TupleDesc desc, struct OpenGaussModel *model);

/* Calls `read` for the row whose column has the model's name. False: there is none. */
static bool
read_row(const char *table, int column, struct OpenGaussModel *model, RowReader read)
{
	Relation	relation = open_table(table);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	row;

	if (relation == NULL)
		return false;
	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_NAMEEQ, NameGetDatum(&model->name));
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
		read(row, RelationGetDescr(relation), model);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return HeapTupleIsValid(row);
}

static bool
read_bool(HeapTuple row, int column, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(row, column, desc, &isnull);

	return !isnull && DatumGetBool(value);
}

static void
read_model(HeapTuple row, TupleDesc desc, struct OpenGaussModel *model)
{
	bool		isnull;
	Datum		datname = heap_getattr(row, MODEL_DATNAME, desc, &isnull);

	if (!isnull)
		model->datname = *DatumGetName(datname);
	model->available = read_bool(row, MODEL_AVAILABLE, desc);
	model->is_training = read_bool(row, MODEL_IS_TRAINING, desc);
}

static void
read_bundle(HeapTuple row, TupleDesc desc, struct OpenGaussModel *model)
{
	bool		isnull;
	Datum		value = heap_getattr(row, TRAINED_BUNDLE, desc, &isnull);
	bytea	   *bundle;

	if (isnull)
		return;
	bundle = DatumGetByteaPP(value);
	model->size = VARSIZE_ANY_EXHDR(bundle);
	model->bundle = palloc(model->size);
	memcpy(model->bundle, VARDATA_ANY(bundle), model->size);
}

bool
explain_opengauss_finds(ExplainRequest *request)
{
	MemoryContext caller = CurrentMemoryContext;
	struct OpenGaussModel *model;

	if (!request->is_opengauss || request->model == NULL || request->is_looked_up)
		return request->opengauss != NULL;
	request->is_looked_up = true;
	MemoryContextSwitchTo(request->context);
	model = palloc0(sizeof(*model));
	namestrcpy(&model->name, request->model);
	if (read_row("gs_opt_model", MODEL_NAME, model, read_model))
	{
		read_row("trained_model", TRAINED_NAME, model, read_bundle);
		request->opengauss = model;
	}
	MemoryContextSwitchTo(caller);
	return request->opengauss != NULL;
}

/* ---- its answers ---- */

/* Tells, once, what is to be thought of the model. False: it does not answer. */
static bool
is_usable(ExplainRequest *request)
{
	const struct OpenGaussModel *model = request->opengauss;
	const char *name = NameStr(model->name);
	bool		is_elsewhere = strcmp(NameStr(model->datname), get_database_name(MyDatabaseId)) != 0;
	bool		is_usable = !is_elsewhere && !model->is_training && model->bundle != NULL;

	if (request->told)
		return is_usable;
	request->told = true;
	if (is_elsewhere)
		ereport(WARNING, (errmsg("Predictor %s is not for current database", name)));
	else if (model->is_training)
		ereport(WARNING, (errmsg("Predictor %s is still training", name)));
	else if (!model->available)
		ereport(WARNING, (errmsg("Predictor %s is not converged, results are not reliable", name)));
	else
		ereport(NOTICE, (errmsg("Predictor %s is converged, results are reliable", name)));
	if (model->bundle == NULL && !is_elsewhere && !model->is_training)
		ereport(WARNING,
				(errmsg("Internal error: model not found, please make sure the model is trained."),
				 errhint("SELECT * FROM opengauss.model_train_opt('rlstm', %s);", quote_literal_cstr(name))));
	return is_usable;
}

Answer *
explain_opengauss_predict(ExplainRequest *request, QueryDesc *queryDesc)
{
	const struct OpenGaussModel *model = request->opengauss;
	HashKey		key = {0};		/* what it hashes is not looked at */
	bool		too_large = false;
	bool		is_first = !request->told;
	Extract    *extract;
	Answer	   *answer;

	if (!is_usable(request))
		return NULL;
	extract = extract_plan(queryDesc, &key, request->context, &too_large);
	if (extract == NULL)
	{
		ereport(WARNING, (errmsg("no prediction: %s", too_large ? "the plan has too many nodes" : "out of memory")));
		return NULL;
	}
	if (predictor_opengauss_capture)
		opengauss_hash_texts(queryDesc, extract);
	answer = MemoryContextAllocZero(request->context, sizeof(Answer));
	answer->model = model->name;
	answer->extract = extract;
	answer->node_count = extract->record.node_count;
	answer->nodes = MemoryContextAllocZero(request->context,
										   answer->node_count * sizeof(PredictorNodePrediction));
	if (opengauss_answer(model->bundle, model->size, &extract->record, answer->nodes) != OPENGAUSS_ANSWERED)
	{
		ereport(WARNING, (errmsg("Internal error: failed to load model, please retrain.")));
		return NULL;
	}
	if (is_first)
		ereport(NOTICE, (errmsg("Model setup successfully.")));
	return answer;
}

/* ---- printing ---- */

/* Of all loops together, as openGauss counts. */
static double
over_loops(double number, const PredictorNodePrediction *p)
{
	return isnan(p->loops) ? number : number * p->loops;
}

static bool
is_shown(double number)
{
	return !isnan(number) && !isinf(number) && number >= 0;
}

void
explain_opengauss_append_costs(const PredictorNodePrediction *p, StringInfo str)
{
	double		total = over_loops(p->total_ms, p);
	double		rows = over_loops(p->rows, p);

	if (is_shown(total))
		appendStringInfo(str, " p-time=%.0f", total);
	if (is_shown(rows))
		appendStringInfo(str, " p-rows=%.0f", rows);
}

static void
show(const char *label, double number, int digits, ExplainState *es)
{
	if (is_shown(number))
		ExplainPropertyFloat(label, NULL, number, digits, es);
}

void
explain_opengauss_show_node(const PredictorNodePrediction *p, ExplainState *es)
{
	show("Pred Startup Time", over_loops(p->startup_ms, p), 2, es);
	show("Pred Total Time", over_loops(p->total_ms, p), 2, es);
	show("Pred Rows", over_loops(p->rows, p), 0, es);
	show("Pred Peak Memory", ceil(p->memory_kb / 1024), 0, es);
}

/*
 * Where in the node's output our part belongs: before its width, or behind the property of that name.
 * What the user names cannot be mistaken for it: in TEXT it has not the node's own costs, and in the
 * other formats a name's line breaks, quotes and angles are escaped.
 */
static char *
find_place(char *output, ExplainFormat format, const Plan *plan)
{
	char	   *costs;
	char	   *found;

	switch (format)
	{
		case EXPLAIN_FORMAT_TEXT:
			costs = psprintf("  (cost=%.2f..%.2f rows=%.0f", plan->startup_cost, plan->total_cost, plan->plan_rows);
			found = strstr(output, costs);
			return found == NULL ? NULL : found + strlen(costs);
		case EXPLAIN_FORMAT_XML:
			found = strstr(output, "</Plan-Width>\n");
			return found == NULL ? NULL : found + strlen("</Plan-Width>\n");
		case EXPLAIN_FORMAT_JSON:
			found = strstr(output, "\"Plan Width\": ");
			break;
		default:
			/* a line's first word; what may stand in quotes comes later in a line */
			for (found = strstr(output, "Plan Width: "); found != NULL; found = strstr(found + 1, "Plan Width: "))
			{
				const char *line = found;

				while (line > output && line[-1] == ' ')
					line--;
				if (line > output && line[-1] == '\n')
					break;
			}
			break;
	}
	if (found == NULL)
		return NULL;
	found += strcspn(found, "0123456789");
	return found + strspn(found, "0123456789");
}

void
explain_opengauss_insert(const PredictorNodePrediction *prediction, const Plan *plan, int from, ExplainState *es)
{
	char	   *place = find_place(es->str->data + from, es->format, plan);
	char	   *rest;

	/* without costs there is no place, and openGauss shows nothing either */
	if (place == NULL)
		return;
	rest = pstrdup(place);
	es->str->len = place - es->str->data;
	*place = '\0';
	if (es->format == EXPLAIN_FORMAT_TEXT)
		explain_opengauss_append_costs(prediction, es->str);
	else
		explain_opengauss_show_node(prediction, es);
	appendStringInfoString(es->str, rest);
	pfree(rest);
}
