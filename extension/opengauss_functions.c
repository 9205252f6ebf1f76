/*
 * opengauss_functions.c - the functions of extension predictor_opengauss that SQL alone cannot do:
 * openGauss's encoding of a plan node, its words for our nodes, and its question whether an engine
 * runs. What they mean and how they are composed is in predictor_opengauss--1.0.sql.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "extension/compat.h"
#include "extension/engine_client.h"
#include "extension/engine_files.h"
#include "extension/settings.h"
#include "plan/opengauss_encoding.h"

PG_FUNCTION_INFO_V1(predictor_opengauss_sql_hash);
PG_FUNCTION_INFO_V1(predictor_opengauss_sql_encode);
PG_FUNCTION_INFO_V1(predictor_opengauss_sql_words);
PG_FUNCTION_INFO_V1(predictor_opengauss_sql_ask);

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

/* opengauss.node_words(operator, strategy, command) returns text[]: operation and strategy */
Datum
predictor_opengauss_sql_words(PG_FUNCTION_ARGS)
{
	const char *operation;
	const char *strategy;
	Datum		words[2];

	predictor_opengauss_words(PG_GETARG_INT16(0), PG_GETARG_INT16(1), PG_GETARG_INT16(2), &operation, &strategy);
	words[0] = CStringGetTextDatum(operation);
	words[1] = CStringGetTextDatum(strategy);
	PG_RETURN_ARRAYTYPE_P(construct_array(words, 2, TEXTOID, -1, false, TYPALIGN_INT));
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

/*
 * opengauss.ask_engine(address text) returns boolean: whether an engine answers there, with our
 * certificate; NULL if the address is not in predictor.opengauss_engines. Whatever it answers counts,
 * as it does for openGauss.
 */
Datum
predictor_opengauss_sql_ask(PG_FUNCTION_ARGS)
{
	char	   *address = text_to_cstring(PG_GETARG_TEXT_PP(0));
	EngineTarget target = {0};
	EngineCall	call = ENGINE_CALL("POST", "/check");

	if (!is_allowed(address))
		PG_RETURN_NULL();
	snprintf(target.url, sizeof(target.url), "https://%s", address);
	engine_files_configured(&target);
	PG_RETURN_BOOL(engine_request(&target, &call)->status != 0);
}
