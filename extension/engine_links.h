/*
 * engine_links.h - the engines elsewhere that predictor.engine_url names, in the order of preference,
 * and what is known of each: failover with back-off.
 *
 * The states are in shared memory, so that all processes pass over an engine that one of them could
 * not reach. An engine that failed is passed over for 5 s, then 10 s, ... up to 10 min, unless all of
 * them are. Everything takes shared->lock for itself, briefly.
 */
#ifndef PREDICTOR_ENGINE_LINKS_H
#define PREDICTOR_ENGINE_LINKS_H

#include "extension/engine_client.h"
#include "extension/shared.h"

/* Of the protocol, docs/engine-api.md. */
#define ENGINE_API_VERSION 1

/* How many engines are configured; 0: the server's own is used. */
extern int	engine_links_count(void);

/* The URL of the n-th, without a slash at its end. */
extern void engine_links_url(int number, char *url, size_t size);

/*
 * The URL of the engine to use now: `preferred` if it is configured and not to be passed over, else
 * the first that is not, else the one whose pause ends first.
 */
extern void engine_links_choose(const char *preferred, char *url, size_t size);

/* What came of talking to one. `text` is its version, or what is wrong. */
extern void engine_links_note(const char *url, EngineLinkState state, const char *text);

/* Who answered GET /v1/version. */
typedef struct EngineIdentity
{
	EngineLinkState state;
	int			api;			/* 0: unknown */
	char	   *version;		/* this and the next: palloc'ed, or NULL */
	char	   *device;
	char	   *templates;
	int			sqlstate;		/* unless it is reachable */
	char	   *error;
	char	   *hint;
} EngineIdentity;

/* Reads the answer, sees whether that engine is one we understand, and notes what came of it. */
extern void engine_identify(const EngineTarget *target, const EngineReply *reply, EngineIdentity *identity);

extern const char *engine_link_state_text(EngineLinkState state);

/* What is known of one. */
extern EngineLink engine_links_state(const char *url);

#endif
