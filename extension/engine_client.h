/*
 * engine_client.h - requests to the engine, over mutually authenticated HTTPS.
 *
 * Called by workers and by SQL functions that are about the engine, never by a hook: a user's
 * statement does not wait for the network.
 *
 * Rules:
 *  - Every wait is a latch wait that answers cancel, timeouts and barriers at once, so any function
 *    here that waits may raise. Callers hold no lock, and workers no transaction.
 *  - A request that gets no answer is not an error of its own: the reply says what went wrong, and
 *    the caller goes on or calls engine_require_answer(), which raises it.
 *  - One request at a time per process, over one connection that is kept between requests.
 */
#ifndef PREDICTOR_ENGINE_CLIENT_H
#define PREDICTOR_ENGINE_CLIENT_H

#include "postgres.h"

#include "extension/engine_http.h"
#include "extension/shared.h"
#include "utils/jsonb.h"

/* Called at least every ENGINE_WAIT_MS while something is waited for; may raise. */
typedef void (*EngineWaitHook) (void *context);

#define ENGINE_WAIT_MS 200

/* Where the engine is and how to be known there. */
typedef struct EngineTarget
{
	char		url[MAXPGPATH]; /* without a slash at the end */
	char		ca_file[MAXPGPATH];
	char		crl_file[MAXPGPATH];	/* or empty */
	char		cert_file[MAXPGPATH];
	char		key_file[MAXPGPATH];
	bool		embedded;		/* the server's own engine */
	uint32		generation;		/* which start of it */
	EngineWaitHook on_wait;		/* or NULL */
	void	   *context;
} EngineTarget;

/*
 * Finds the engine: one of predictor.engine_url (`preferred`, if that is one of them and works), or
 * else the server's own, which is started if it does not run, and waited for. Raises if that fails. From then on the server's own engine stays for
 * predictor.engine_idle_timeout, which may be a second; each request, and engine_keep(), extends
 * that.
 */
extern void engine_find(EngineTarget *target, const char *preferred, EngineWaitHook on_wait, void *context);
extern void engine_keep(const EngineTarget *target);

/* The engine elsewhere at that URL. */
extern void engine_use(EngineTarget *target, const char *url);

/* Is the server's own engine still the one that was found? If not, *error is the reason (palloc). */
extern bool engine_still_there(const EngineTarget *target, char **error);

typedef struct EngineCall
{
	const char *method;
	const char *path;			/* with the query; begins with a slash */
	const char *content_type;	/* of the body; NULL without one */
	const char *sha256;			/* of the body, in hexadecimal; or NULL */
	const void *body;
	int			body_fd;		/* a file instead of memory, if body is NULL; else -1 */
	int64		body_size;
	int			timeout_ms;		/* for the whole request */
	size_t		reply_limit;	/* bytes */
	bool		is_slow;		/* the engine may be silent for as long as it works */
} EngineCall;

/* A call without a body. */
#define ENGINE_CALL(method, path) ((EngineCall) {(method), (path), NULL, NULL, NULL, -1, 0, 10000, 1024 * 1024, false})

typedef struct EngineReply
{
	int			status;			/* HTTP status; 0: no answer */
	char	   *body;			/* with a NUL after its end */
	size_t		size;
	char		sha256[ENGINE_SHA256_HEX];	/* what the engine says that the body's is, or "" */
	/* without an answer */
	EngineProblem problem;
	int			sqlstate;
	char	   *error;
	char	   *hint;
} EngineReply;

/* The reply lives in the current memory context. */
extern EngineReply *engine_request(const EngineTarget *target, const EngineCall *call);

/* Closes the connection that is kept between requests, if there is one. */
extern void engine_close(void);

/* Raises unless the engine answered with a status below 300. */
extern void engine_require_answer(const EngineTarget *target, const EngineReply *reply);

/*
 * Reading JSON answers. engine_json() raises if the body is not a JSON object; the others give the
 * member of an object, or NULL or `otherwise` if it is not there, null, or of another type. They
 * accept a NULL object.
 */
extern Jsonb *engine_json(const EngineTarget *target, const EngineReply *reply);
extern char *engine_json_text(Jsonb *object, const char *key);
extern double engine_json_number(Jsonb *object, const char *key, double otherwise);
extern int64 engine_json_integer(Jsonb *object, const char *key, int64 otherwise);
extern Jsonb *engine_json_object(Jsonb *object, const char *key);

/* Fills sqlstate, error and hint of a reply without an answer; engine_reply.c. */
extern void engine_explain(const EngineTarget *target, const EngineCall *call, const char *cause,
						   EngineReply *reply);

#endif
