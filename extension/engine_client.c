/*
 * engine_client.c - finds the engine and drives requests to it; rules are in engine_client.h.
 *
 * The event loop gives libcurl's sockets and timer to a wait event set, together with the process
 * latch. Blocking calls of libcurl are not used: with one, an unrelated DROP DATABASE waits for the
 * end of our request, since it needs every backend to answer its barrier.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "extension/compat.h"
#include "extension/engine_client.h"
#include "extension/engine_files.h"
#include "extension/engine_links.h"
#include "extension/settings.h"

/* How long the server's own engine may take to be there, and how long until a worker starts. */
#define EMBEDDED_TIMEOUT_MS 400000
#define KEEPER_TIMEOUT_MS 15000

/* A request without a byte moving for so long is lost. */
#define STALL_TIMEOUT_S 30

DEFINE_WAIT_EVENT(wait_event_http, "PredictorHttp")
DEFINE_WAIT_EVENT(wait_event_engine, "PredictorEngineStart")

/* Runs a statement with all signals blocked: see engine_http.h. */
#define WITH_SIGNALS_BLOCKED(statement) \
	do { \
		sigset_t	all_, before_; \
		sigfillset(&all_); \
		pthread_sigmask(SIG_SETMASK, &all_, &before_); \
		statement; \
		pthread_sigmask(SIG_SETMASK, &before_, NULL); \
	} while (0)

void
engine_close(void)
{
	WITH_SIGNALS_BLOCKED(engine_http_shutdown());
}

static void
close_at_exit(int code, Datum arg)
{
	engine_close();
}

static void
serve_interrupts(EngineWaitHook on_wait, void *context)
{
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (on_wait)
		on_wait(context);
}

void
engine_use(EngineTarget *target, const char *url)
{
	memset(target, 0, sizeof(*target));
	strlcpy(target->url, url, sizeof(target->url));
	engine_files_configured(target);
}

static void
extend_wish(Keeper *keeper)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													predictor_engine_idle_timeout * INT64CONST(1000));

	if (keeper->wanted_until < until)
		keeper->wanted_until = until;
}

/*
 * Asks for the server's own engine for another while; one that does not run only if `again`. Returns
 * what the keeper says.
 */
static Keeper
want_engine(bool again)
{
	Keeper		keeper;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (again || shared->keeper.state == KEEPER_STARTING || shared->keeper.state == KEEPER_RUNNING)
		extend_wish(&shared->keeper);
	keeper = shared->keeper;
	LWLockRelease(shared->lock);
	return keeper;
}

static void
use_keeper(EngineTarget *target, const Keeper *keeper)
{
	snprintf(target->url, sizeof(target->url), "https://127.0.0.1:%d", keeper->port);
	snprintf(target->ca_file, MAXPGPATH, "%s/ca.crt", keeper->directory);
	snprintf(target->cert_file, MAXPGPATH, "%s/client.crt", keeper->directory);
	snprintf(target->key_file, MAXPGPATH, "%s/client.key", keeper->directory);
	target->embedded = true;
	target->generation = keeper->generation;
}

/*
 * Waits for the server's own engine. A failed start counts only if it began, or was going on, after
 * we asked; an older failure is what we want tried again.
 */
static void
find_embedded(EngineTarget *target)
{
	TimestampTz begin = GetCurrentTimestamp();
	Keeper		first = want_engine(true);
	Keeper		now = first;

	shared_wake_launcher();
	while (now.state != KEEPER_RUNNING)
	{
		bool		tried = now.generation != first.generation || first.state == KEEPER_STARTING;
		TimestampTz time = GetCurrentTimestamp();

		if (now.state == KEEPER_FAILED && tried)
			ereport(ERROR,
					(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
					 errmsg("could not start the server's own engine: %s", now.error),
					 errhint("Its log (predictor/engine.log in the data directory, or predictord.log in the "
							 "log directory) and the server's say more; predictor.engine_program names "
							 "the program.")));
		if (!tried && TimestampDifferenceExceeds(begin, time, KEEPER_TIMEOUT_MS))
			ereport(ERROR,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("could not start the server's own engine: no worker started within %d s",
							KEEPER_TIMEOUT_MS / 1000),
					 errhint("Raise max_worker_processes; the server's log says more.")));
		if (TimestampDifferenceExceeds(begin, time, EMBEDDED_TIMEOUT_MS))
			ereport(ERROR,
					(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
					 errmsg("could not start the server's own engine: it was not ready within %d s",
							EMBEDDED_TIMEOUT_MS / 1000)));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50,
						 wait_event_engine());
		serve_interrupts(target->on_wait, target->context);
		now = want_engine(!tried);
	}
	use_keeper(target, &now);
}

void
engine_find(EngineTarget *target, const char *preferred, EngineWaitHook on_wait, void *context)
{
	char		url[MAXPGPATH] = "";

	if (engine_links_count() > 0)
		engine_links_choose(preferred, url, sizeof(url));
	engine_use(target, url);
	target->on_wait = on_wait;
	target->context = context;
	if (url[0] == '\0')
		find_embedded(target);
}

void
engine_keep(const EngineTarget *target)
{
	if (target->embedded)
		(void) want_engine(false);
}

bool
engine_still_there(const EngineTarget *target, char **error)
{
	Keeper		keeper;

	if (!target->embedded)
		return true;
	keeper = want_engine(false);
	if (keeper.state == KEEPER_RUNNING && keeper.generation == target->generation)
		return true;
	*error = pstrdup(keeper.state == KEEPER_FAILED ? keeper.error : "it was stopped");
	return false;
}

/* Waits until one of libcurl's sockets is ready, its timer is due, or the latch was set. */
static int
wait_for_something(WaitEvent *events)
{
	EngineHttpSocket sockets[ENGINE_HTTP_MAX_SOCKETS];
	int			count = engine_http_sockets(sockets);
	long		timeout = engine_http_wait_ms();
	WaitEventSet *set = create_wait_event_set(count + 2);
	int			occurred;

	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (int i = 0; i < count; i++)
	{
		uint32		mask = 0;

		if (sockets[i].events & ENGINE_HTTP_READ)
			mask |= WL_SOCKET_READABLE;
		if (sockets[i].events & ENGINE_HTTP_WRITE)
			mask |= WL_SOCKET_WRITEABLE;
		if (mask != 0)
			AddWaitEventToSet(set, mask, sockets[i].fd, NULL, NULL);
	}
	if (timeout < 0 || timeout > ENGINE_WAIT_MS)
		timeout = ENGINE_WAIT_MS;
	occurred = WaitEventSetWait(set, timeout, events, ENGINE_HTTP_MAX_SOCKETS + 2, wait_event_http());
	FreeWaitEventSet(set);
	return occurred;
}

/* Runs the request that engine_http_begin() started to its end. */
static void
drive(const EngineTarget *target)
{
	TimestampTz kept_at = GetCurrentTimestamp();
	bool		done;

	engine_keep(target);
	WITH_SIGNALS_BLOCKED(done = engine_http_advance(-1, 0));
	while (!done)
	{
		WaitEvent	events[ENGINE_HTTP_MAX_SOCKETS + 2];
		int			count = wait_for_something(events);

		if (TimestampDifferenceExceeds(kept_at, GetCurrentTimestamp(), ENGINE_WAIT_MS))
		{
			engine_keep(target);
			kept_at = GetCurrentTimestamp();
		}

		for (int i = 0; i < count && !done; i++)
		{
			int			mask = 0;

			if (events[i].events & WL_SOCKET_READABLE)
				mask |= ENGINE_HTTP_READ;
			if (events[i].events & WL_SOCKET_WRITEABLE)
				mask |= ENGINE_HTTP_WRITE;
			if (mask != 0)
				WITH_SIGNALS_BLOCKED(done = engine_http_advance(events[i].fd, mask));
		}
		if (!done && engine_http_wait_ms() == 0)
			WITH_SIGNALS_BLOCKED(done = engine_http_advance(-1, 0));
		serve_interrupts(target->on_wait, target->context);
	}
}

/* Headers of the call, NULL at the end. */
static const char *const *
make_headers(const EngineCall *call)
{
	const char **headers = palloc0(sizeof(char *) * 3);
	int			count = 0;

	if (call->content_type != NULL)
		headers[count++] = psprintf("Content-Type: %s", call->content_type);
	if (call->sha256 != NULL)
		headers[count++] = psprintf("X-Content-SHA256: %s", call->sha256);
	return headers;
}

static void
take_result(const EngineTarget *target, const EngineCall *call, EngineReply *reply)
{
	EngineHttpResult result;

	engine_http_result(&result);
	reply->status = result.status;
	reply->problem = result.problem;
	memcpy(reply->sha256, result.sha256, sizeof(reply->sha256));
	if (result.problem != ENGINE_OK)
	{
		engine_explain(target, call, result.cause, reply);
		return;
	}
	reply->size = result.body_size;
	reply->body = MemoryContextAllocHuge(CurrentMemoryContext, result.body_size + 1);
	if (result.body_size > 0)
		memcpy(reply->body, result.body, result.body_size);
	reply->body[result.body_size] = '\0';
}

EngineReply *
engine_request(const EngineTarget *target, const EngineCall *call)
{
	static bool exit_registered = false;
	EngineReply *reply = palloc0(sizeof(EngineReply));
	EngineHttpRequest request = {0};
	const char *cause;

	if (!engine_files_prepare(target, &request, reply, &cause))
	{
		engine_explain(target, call, cause, reply);
		return reply;
	}
	if (!exit_registered)
	{
		on_proc_exit(close_at_exit, (Datum) 0);
		exit_registered = true;
	}

	request.method = call->method;
	request.url = psprintf("%s%s", target->url, call->path);
	request.headers = make_headers(call);
	request.body = call->body;
	request.body_fd = call->body_fd;
	request.body_size = call->body_size;
	request.connect_timeout_ms = predictor_connect_timeout;
	request.timeout_ms = call->timeout_ms;
	request.stall_timeout_s = call->is_slow ? 0 : STALL_TIMEOUT_S;
	request.reply_limit = call->reply_limit;

	PG_TRY();
	{
		bool		begun;

		WITH_SIGNALS_BLOCKED(begun = engine_http_begin(&request));
		if (begun)
			drive(target);
		take_result(target, call, reply);
	}
	PG_FINALLY();
	{
		WITH_SIGNALS_BLOCKED(engine_http_end());
	}
	PG_END_TRY();
	return reply;
}
