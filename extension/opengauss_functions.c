/*
 * opengauss_functions.c - the functions of extension predictor_opengauss that SQL alone cannot do:
 * openGauss's encoding of a plan node, its words for our nodes, and its questions to an engine. What
 * they mean and how they are composed is in predictor_opengauss--1.0.sql.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "extension/capture.h"
#include "extension/compat.h"
#include "extension/engine_client.h"
#include "extension/engine_files.h"
#include "extension/settings.h"
#include "extension/shared.h"
#include "plan/opengauss_encoding.h"

PG_FUNCTION_INFO_V1(predictor_opengauss_sql_hash);
PG_FUNCTION_INFO_V1(predictor_opengauss_sql_encode);
PG_FUNCTION_INFO_V1(predictor_opengauss_sql_words);
PG_FUNCTION_INFO_V1(predictor_opengauss_sql_encode_node);
PG_FUNCTION_INFO_V1(predictor_opengauss_sql_shape);
PG_FUNCTION_INFO_V1(predictor_opengauss_sql_address);
PG_FUNCTION_INFO_V1(predictor_opengauss_sql_ask);

/* What an engine answers at most: a model, in hexadecimal digits, and some numbers. */
#define REPLY_LIMIT (20 * 1024 * 1024)

/* opengauss.text_hash(text) returns integer: the hash of which an encoding keeps 12 bits */
Datum
predictor_opengauss_sql_hash(PG_FUNCTION_ARGS)
{
	text	   *string = PG_GETARG_TEXT_PP(0);

	PG_RETURN_INT32((int32) predictor_opengauss_hash(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string)));
}

/* opengauss.encode(operation, orientation, strategy, options, dop, condition_hash, projection_hash) returns text */
Datum
predictor_opengauss_sql_encode(PG_FUNCTION_ARGS)
{
	char	   *words[4];
	char		encoding[PREDICTOR_OPENGAUSS_TEXT_SIZE];
	size_t		length;

	for (int i = 0; i < 4; i++)
		words[i] = text_to_cstring(PG_GETARG_TEXT_PP(i));
	length = predictor_opengauss_encode(words[0], words[1], words[2], words[3], PG_GETARG_INT64(4),
										(uint32) PG_GETARG_INT32(5), (uint32) PG_GETARG_INT32(6), encoding);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(encoding, length));
}

/* opengauss.node_words(operator, strategy, command, join_type) returns text[]: operation, strategy, options */
Datum
predictor_opengauss_sql_words(PG_FUNCTION_ARGS)
{
	const char *operation;
	const char *strategy;
	Datum		words[3];

	predictor_opengauss_words(PG_GETARG_INT16(0), PG_GETARG_INT16(1), PG_GETARG_INT16(2), &operation, &strategy);
	words[0] = CStringGetTextDatum(operation);
	words[1] = CStringGetTextDatum(strategy);
	words[2] = CStringGetTextDatum(predictor_opengauss_options(PG_GETARG_INT16(0), PG_GETARG_INT16(3)));
	PG_RETURN_ARRAYTYPE_P(construct_array(words, 3, TEXTOID, -1, false, TYPALIGN_INT));
}

/* opengauss.encode_node(operator, strategy, command, workers, predicate, text_hashes) returns text */
Datum
predictor_opengauss_sql_encode_node(PG_FUNCTION_ARGS)
{
	PredictorNode node;
	char		encoding[PREDICTOR_OPENGAUSS_TEXT_SIZE];

	predictor_clear_node(&node);
	node.op = PG_GETARG_INT16(0);
	node.strategy = PG_GETARG_INT16(1);
	node.command = PG_GETARG_INT16(2);
	node.workers_planned = PG_GETARG_INT32(3);
	node.predicate = (uint64) PG_GETARG_INT64(4);
	node.text_hashes = (uint32) PG_GETARG_INT32(5);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(encoding, predictor_opengauss_encode_node(&node, encoding)));
}

/* opengauss.condition_shape(predicate) returns text: what stands for a condition that is not known */
Datum
predictor_opengauss_sql_shape(PG_FUNCTION_ARGS)
{
	char		shape[PREDICTOR_OPENGAUSS_SHAPE_SIZE];

	predictor_opengauss_shape((uint64) PG_GETARG_INT64(0), shape);
	PG_RETURN_TEXT_P(cstring_to_text(shape));
}

/* Is the address one that the administrator let SQL name? */
static bool
is_allowed(const char *address)
{
	char	   *list = pstrdup(predictor_opengauss_engines);
	List	   *addresses;
	ListCell   *cell;

	/* the setting's check hook has seen to it that this can be read */
	if (!SplitGUCList(list, ',', &addresses))
		return false;
	foreach(cell, addresses)
	{
		if (strcmp(lfirst(cell), address) == 0)
			return true;
	}
	return false;
}

/* opengauss.allowed_address(address) returns text: the address, or NULL if SQL may not name it */
Datum
predictor_opengauss_sql_address(PG_FUNCTION_ARGS)
{
	if (!is_allowed(text_to_cstring(PG_GETARG_TEXT_PP(0))))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* The engine at the address, or without one the engine that trains for this server. */
static void
find_engine(const char *address, EngineTarget *target)
{
	if (address == NULL)
	{
		engine_find(target, NULL, NULL, NULL);
		return;
	}
	if (!is_allowed(address))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("\"%s\" is not in predictor.opengauss_engines", address)));
	engine_use(target, psprintf("https://%s", address));
}

/* Does it ask for a training and its model? The digits are the model's configuration. */
static bool
is_training_route(const char *route)
{
	static const char prefix[] = "/train?bundle=";
	size_t		length = strlen(prefix);

	return strncmp(route, prefix, length) == 0 &&
		strspn(route + length, "0123456789abcdef") == strlen(route + length);
}

/*
 * opengauss.ask_engine(address text, route text, content_type text, body text) returns text: what an
 * engine answers, whatever its status, as for openGauss; NULL if none does. It may take its time, as a
 * training does; the statement can be cancelled.
 */
Datum
predictor_opengauss_sql_ask(PG_FUNCTION_ARGS)
{
	char	   *route = PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1));
	bool		is_training = is_training_route(route);
	EngineTarget target;
	EngineCall	call = ENGINE_CALL("POST", route);
	EngineReply *reply;

	if (!is_training && strcmp(route, "/check") != 0 && strcmp(route, "/configure") != 0 &&
		strcmp(route, "/track_process") != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"%s\" is no route", route)));
	shared_require();
	capture_forget();
	if (!PG_ARGISNULL(2) && !PG_ARGISNULL(3))
	{
		text	   *body = PG_GETARG_TEXT_PP(3);

		call.content_type = text_to_cstring(PG_GETARG_TEXT_PP(2));
		call.body = pg_server_to_any(VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body), PG_UTF8);
		call.body_size = call.body == VARDATA_ANY(body) ? VARSIZE_ANY_EXHDR(body) : strlen(call.body);
	}
	call.reply_limit = REPLY_LIMIT;
	if (is_training)
	{
		call.is_slow = true;
		call.timeout_ms = 0;
	}
	find_engine(PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0)), &target);
	reply = engine_request(&target, &call);
	if (reply->status == 0)
	{
		ereport(NOTICE, (errmsg_internal("%s", reply->error)));
		PG_RETURN_NULL();
	}
	PG_RETURN_TEXT_P(cstring_to_text(pg_any_to_server(reply->body, reply->size, PG_UTF8)));
}
