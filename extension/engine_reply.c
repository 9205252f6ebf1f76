/*
 * engine_reply.c - what came of a request, for people and for programs: the texts of errors and the
 * reading of JSON answers. Everything here works on memory alone.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "extension/engine_client.h"
#include "extension/settings.h"

/* What to do next about the other side's certificate. */
static char *
hint_about_server_certificate(const EngineTarget *target)
{
	return psprintf("The engine's certificate must name the host of predictor.engine_url, be meant for servers, be "
					"valid now and not revoked, and come from the authority in \"%s\".", target->ca_file);
}

/* What to do about the alert with which the engine refuses our certificate. */
static char *
hint_about_our_certificate(const EngineTarget *target, const char *alert)
{
	static const struct
	{
		const char *alert;
		const char *hint;
	}			hints[] = {
		{"unknown ca", "it comes from an authority that is not in ca.crt of the engine's --ca-dir"},
		{"certificate expired", "it has expired, or else the engine's revocation list has; make a new one"},
		{"certificate revoked", "it is in the engine's revocation list; make a new one"},
		{"unsupported certificate", "it is not made for clients; make one with predictor-certs client"},
		{"bad certificate", "it is damaged, not valid yet, or the engine has no revocation list of its authority"},
		{"certificate unknown", "it is not valid yet (compare the clocks), or cannot be checked"},
	};

	for (int i = 0; i < lengthof(hints); i++)
		if (strcmp(alert, hints[i].alert) == 0)
			return psprintf("About \"%s\": %s. The engine's log says more.", target->cert_file, hints[i].hint);
	return psprintf("The certificate \"%s\" must be valid now, be meant for clients, and come from the "
					"authority that the engine trusts (ca.crt in the engine's --ca-dir).",
					target->cert_file);
}

static char *
hint_about_reaching(const EngineTarget *target)
{
	if (target->embedded)
		return pstrdup("The server's own engine does not answer; the next training starts another.");
	return pstrdup("Start predictord there, or correct predictor.engine_url and reload.");
}

static void
explain_files(const EngineTarget *target, const char *cause, EngineReply *reply)
{
	const char *what = psprintf("the certificate \"%s\" or the private key \"%s\"",
								target->cert_file, target->key_file);
	const char *hint = "predictor.ssl_cert_file and predictor.ssl_key_file name them; the key must belong to the "
		"server's account with permissions 0600, and predictor.ssl_passphrase_command must print its passphrase if it "
		"is encrypted.";

	if (reply->problem == ENGINE_BAD_CA_FILE)
	{
		what = psprintf("the authority \"%s\"", target->ca_file);
		hint = "predictor.ssl_ca_file names it; it must hold PEM certificates.";
	}
	else if (reply->problem == ENGINE_BAD_CRL_FILE)
	{
		what = psprintf("the revocation list \"%s\"", target->crl_file);
		hint = "predictor.ssl_crl_file names it; it must hold PEM revocation lists.";
	}
	else if (cause[0] == '\0')
	{
		what = psprintf("the private key \"%s\"", target->key_file);
		cause = "it is missing, or not private";
	}
	reply->sqlstate = ERRCODE_CONFIG_FILE_ERROR;
	reply->error = psprintf("could not connect to engine at %s: %s cannot be used: %s", target->url, what, cause);
	reply->hint = psprintf("%s predictor-certs makes such files; the server's log may say more.", hint);
}

static void
explain_trust(const EngineTarget *target, const char *cause, EngineReply *reply)
{
	if (reply->problem == ENGINE_SERVER_REFUSED)
	{
		reply->error = psprintf("could not connect to engine at %s: its certificate is not accepted: %s",
								target->url, cause);
		reply->hint = hint_about_server_certificate(target);
	}
	else if (reply->problem == ENGINE_CLIENT_REFUSED)
	{
		reply->error = psprintf("could not connect to engine at %s: it does not accept our certificate: %s",
								target->url, cause);
		reply->hint = hint_about_our_certificate(target, cause);
	}
	else
	{
		reply->error = psprintf("could not connect to engine at %s: no agreement on TLS: %s",
								target->url, cause);
		reply->hint = pstrdup("Is it predictord that listens there? It speaks TLS 1.2 or newer.");
	}
	reply->sqlstate = ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
}

static void
explain_network(const EngineTarget *target, const EngineCall *call, const char *cause, EngineReply *reply)
{
	reply->sqlstate = ERRCODE_CONNECTION_FAILURE;
	reply->hint = hint_about_reaching(target);
	switch (reply->problem)
	{
		case ENGINE_CONNECT_TIMEOUT:
			reply->sqlstate = ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;
			reply->error = psprintf("could not connect to engine at %s: no connection within %d ms",
									target->url, Min(predictor_connect_timeout, call->timeout_ms));
			reply->hint = pstrdup("Is there a firewall in between? predictor.connect_timeout is the limit.");
			break;
		case ENGINE_TIMEOUT:
			reply->error = psprintf("engine at %s did not answer %s %s in time: %s",
									target->url, call->method, call->path, cause);
			reply->hint = pstrdup("The engine's log may say why it is slow.");
			break;
		case ENGINE_LOST:
			reply->error = psprintf("lost the connection to engine at %s: %s", target->url, cause);
			reply->hint = pstrdup("The engine's log may say why.");
			break;
		default:
			reply->sqlstate = ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;
			reply->error = psprintf("could not connect to engine at %s: %s", target->url, cause);
			break;
	}
}

void
engine_explain(const EngineTarget *target, const EngineCall *call, const char *cause, EngineReply *reply)
{
	switch (reply->problem)
	{
		case ENGINE_BAD_URL:
			reply->sqlstate = ERRCODE_CONFIG_FILE_ERROR;
			reply->error = psprintf("could not connect to engine at %s: %s", target->url, cause);
			reply->hint = pstrdup("predictor.engine_url must look like https://host:8443.");
			break;
		case ENGINE_BAD_CA_FILE:
		case ENGINE_BAD_CRL_FILE:
		case ENGINE_BAD_CLIENT_FILES:
			explain_files(target, cause, reply);
			break;
		case ENGINE_SERVER_REFUSED:
		case ENGINE_CLIENT_REFUSED:
		case ENGINE_TLS:
			explain_trust(target, cause, reply);
			break;
		case ENGINE_TOO_LARGE:
			reply->sqlstate = ERRCODE_PROTOCOL_VIOLATION;
			reply->error = psprintf("engine at %s answered %s %s with more than %zu bytes",
									target->url, call->method, call->path, call->reply_limit);
			reply->hint = pstrdup("Is it predictord that listens there?");
			break;
		case ENGINE_NO_MEMORY:
			reply->sqlstate = ERRCODE_OUT_OF_MEMORY;
			reply->error = psprintf("out of memory in a request to engine at %s", target->url);
			reply->hint = pstrdup("Try again when other sessions use less.");
			break;
		default:
			explain_network(target, call, cause, reply);
			break;
	}
}

/* The engine's words about a refused request: code and message of {"error": {...}}. */
static char *
refusal_text(const EngineTarget *target, const EngineReply *reply)
{
	Jsonb	   *error = NULL;
	char	   *message;

	if (reply->size > 0 && reply->body[0] == '{')
		error = engine_json_object(engine_json(target, reply), "error");
	message = engine_json_text(error, "message");
	if (message == NULL)
		return psprintf("HTTP status %d", reply->status);
	return psprintf("%s (%d)", message, reply->status);
}

void
engine_require_answer(const EngineTarget *target, const EngineReply *reply)
{
	if (reply->status == 0)
		ereport(ERROR,
				(errcode(reply->sqlstate), errmsg("%s", reply->error), errhint("%s", reply->hint)));
	if (reply->status >= 300)
		ereport(ERROR,
				(errcode(reply->status == 401 || reply->status == 403
						 ? ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION
						 : ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("engine at %s refused the request: %s", target->url, refusal_text(target, reply)),
				 errhint("The engine's log says more.")));
}

/*
 * The body as valid text of the database's encoding. JSON of the engine is UTF-8, in which only
 * messages are ever more than ASCII; converting them would need a transaction, so elsewhere such
 * characters become question marks.
 */
static char *
readable_text(const EngineReply *reply)
{
	char	   *text = pnstrdup(reply->body, reply->size);

	if (GetDatabaseEncoding() == PG_UTF8 && pg_verifymbstr(reply->body, reply->size, true))
		return text;
	for (size_t i = 0; i < reply->size; i++)
		if (IS_HIGHBIT_SET(text[i]) || text[i] == '\0')
			text[i] = '?';
	return text;
}

Jsonb *
engine_json(const EngineTarget *target, const EngineReply *reply)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb	   *volatile json = NULL;

	/* Reading JSON touches memory alone, so an error in it can be replaced by one that says more. */
	PG_TRY();
	{
		json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(readable_text(reply))));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (geterrcode() == ERRCODE_OUT_OF_MEMORY)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();

	if (json == NULL || !JB_ROOT_IS_OBJECT((Jsonb *) json))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("engine at %s answered with something that is not a JSON object", target->url),
				 errhint("Is it predictord that listens there?")));
	return (Jsonb *) json;
}

static bool
find_member(Jsonb *object, const char *key, JsonbValue *value)
{
	return object != NULL && JB_ROOT_IS_OBJECT(object) &&
		getKeyJsonValueFromContainer(&object->root, key, strlen(key), value) != NULL;
}

char *
engine_json_text(Jsonb *object, const char *key)
{
	JsonbValue	value;

	if (!find_member(object, key, &value) || value.type != jbvString)
		return NULL;
	return pnstrdup(value.val.string.val, value.val.string.len);
}

double
engine_json_number(Jsonb *object, const char *key, double otherwise)
{
	JsonbValue	value;

	if (!find_member(object, key, &value) || value.type != jbvNumeric)
		return otherwise;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											  NumericGetDatum(value.val.numeric)));
}

int64
engine_json_integer(Jsonb *object, const char *key, int64 otherwise)
{
	double		value = engine_json_number(object, key, (double) otherwise);

	/* within these bounds the conversion is exact; what is beyond is no number of ours */
	return value >= -9e15 && value <= 9e15 ? (int64) value : otherwise;
}

Jsonb *
engine_json_object(Jsonb *object, const char *key)
{
	JsonbValue	value;

	if (!find_member(object, key, &value) || value.type != jbvBinary ||
		!JsonContainerIsObject(value.val.binary.data))
		return NULL;
	return JsonbValueToJsonb(&value);
}
