/*
 * engine_http.h - one HTTPS request at a time, by libcurl, as a state machine that somebody else's
 * event loop drives. Called by extension/engine_client.c alone.
 *
 * This is a noexcept border like facade.h: nothing here raises, longjmps or calls back into
 * PostgreSQL, and nothing blocks. There is one easy and one multi handle per process, made by the
 * first request and never inherited by a fork, because nothing here runs in the postmaster; the
 * connection stays open between requests.
 *
 * The caller blocks all signals around every function of this file: libcurl may start a thread to
 * resolve a name, and PostgreSQL's signal handlers must never run on it.
 */
#ifndef PREDICTOR_ENGINE_HTTP_H
#define PREDICTOR_ENGINE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#define ENGINE_NOEXCEPT noexcept
#else
#define ENGINE_NOEXCEPT
#endif

#define ENGINE_SHA256_HEX 65

/* What is asked. All of it must live until engine_http_end(). */
typedef struct EngineHttpRequest
{
	const char *method;
	const char *url;
	const char *ca_file;		/* the only authority that is trusted */
	const char *crl_file;		/* what it does not trust any more; or NULL */
	const char *cert_file;
	const char *key_file;
	const char *passphrase;		/* of the key; NULL: it is not encrypted */
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	const void *body;			/* or NULL */
	int			body_fd;		/* read by offset from 0, if body is NULL and this is not -1 */
	int64_t		body_size;
	long		connect_timeout_ms;
	long		timeout_ms;		/* of the whole request; 0: none */
	long		stall_timeout_s;	/* without a byte moving; 0: none */
	size_t		reply_limit;	/* bytes of the answer's body */
} EngineHttpRequest;

/* Why there is no answer. */
typedef enum EngineProblem
{
	ENGINE_OK = 0,
	ENGINE_BAD_URL,
	ENGINE_NOT_RESOLVED,
	ENGINE_NOT_CONNECTED,
	ENGINE_CONNECT_TIMEOUT,
	ENGINE_TIMEOUT,				/* connected, but no whole answer in time */
	ENGINE_BAD_CA_FILE,
	ENGINE_BAD_CRL_FILE,
	ENGINE_BAD_CLIENT_FILES,	/* our certificate or key cannot be used */
	ENGINE_SERVER_REFUSED,		/* we do not accept the engine's certificate */
	ENGINE_CLIENT_REFUSED,		/* the engine does not accept ours */
	ENGINE_TLS,					/* no agreement on TLS otherwise */
	ENGINE_LOST,				/* the connection broke */
	ENGINE_TOO_LARGE,			/* answer beyond reply_limit */
	ENGINE_NO_MEMORY,
	ENGINE_OTHER
} EngineProblem;

typedef struct EngineHttpResult
{
	EngineProblem problem;
	const char *cause;			/* libcurl's or the system's words, "" if none */
	int			status;			/* HTTP status, 0 without an answer */
	const char *body;
	size_t		body_size;
	char		sha256[ENGINE_SHA256_HEX];	/* header X-Content-SHA256, or "" */
} EngineHttpResult;

#define ENGINE_HTTP_READ 1
#define ENGINE_HTTP_WRITE 2
#define ENGINE_HTTP_MAX_SOCKETS 8

typedef struct EngineHttpSocket
{
	int			fd;
	int			events;			/* ENGINE_HTTP_READ | ENGINE_HTTP_WRITE */
} EngineHttpSocket;

/*
 * Starts a request; each must be ended by engine_http_end(), whatever comes between. False if it
 * could not even start: the result says why.
 */
extern bool engine_http_begin(const EngineHttpRequest *request) ENGINE_NOEXCEPT;

/* What to wait for next: these sockets, and at most so many ms (-1: no limit). */
extern int	engine_http_sockets(EngineHttpSocket *sockets) ENGINE_NOEXCEPT;
extern long engine_http_wait_ms(void) ENGINE_NOEXCEPT;

/* Goes on after a socket became ready, or with fd -1 after a timeout. True when done. */
extern bool engine_http_advance(int fd, int events) ENGINE_NOEXCEPT;

/* The outcome; pointers are valid until engine_http_end(). */
extern void engine_http_result(EngineHttpResult *result) ENGINE_NOEXCEPT;

/* Ends the request, done or not. Harmless without one. */
extern void engine_http_end(void) ENGINE_NOEXCEPT;

/* Closes everything; at the end of the process. */
extern void engine_http_shutdown(void) ENGINE_NOEXCEPT;

/* SHA-256 of something that comes in pieces. begin() gives NULL when memory is short. */
typedef struct EngineDigest EngineDigest;

extern EngineDigest *engine_digest_begin(void) ENGINE_NOEXCEPT;
extern bool engine_digest_add(EngineDigest *digest, const void *data, size_t size) ENGINE_NOEXCEPT;
/* Writes 64 hexadecimal digits and frees the digest; NULL for `hex` only frees. */
extern bool engine_digest_end(EngineDigest *digest, char *hex) ENGINE_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif
