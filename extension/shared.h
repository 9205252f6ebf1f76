/*
 * shared.h - everything that processes share: the directory of databases, the training jobs, the
 * embedded engine's state, and the counters. The ring of captured records is in ring.h.
 *
 * Locking rules:
 *  - shared->lock protects databases[], pauses[], jobs[], keeper and engines[]. Hooks take it only conditionally; a
 *    hook that does not get it gives up and counts. A backend reads its database's state and key without it. Nobody
 *    holds it while doing I/O, waiting, allocating, or reading catalogs.
 *  - counters are atomics and need no lock. Each process counts in one of COUNTER_SHARDS places, so
 *    that busy backends do not fight for one cache line; a counter's value is the sum.
 *  - the publication tickets of a database are atomics.
 *  - Nothing process-local is stored here. launcher_latch points into the array of PGPROCs, which
 *    is the same in every process; setting a latch that meanwhile has another owner only wakes it.
 */
#ifndef PREDICTOR_SHARED_H
#define PREDICTOR_SHARED_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define PREDICTOR_MAX_DATABASES 256
#define PREDICTOR_MAX_JOBS 16
#define PREDICTOR_MAX_PAUSES 16
#define PREDICTOR_ERROR_SIZE 512

/* What is known of a database. Databases announce themselves: state UNKNOWN asks for a look. */
typedef enum DatabaseState
{
	DATABASE_FREE = 0,			/* slot not used */
	DATABASE_UNKNOWN,			/* a backend asked; the launcher will send a worker to look */
	DATABASE_READY,				/* has the extension; key is valid */
	DATABASE_ABSENT				/* no extension there: nothing is captured */
} DatabaseState;

typedef struct HashKey
{
	uint64		k0;
	uint64		k1;
	uint64		id;				/* which key this is; 0: none */
} HashKey;

/*
 * Publication tickets: whoever knows that the database's key or models may have changed raises
 * `wanted`; a publisher (worker/publisher.c) that began to look after that raises `published` to it.
 * So `published` behind `wanted` means that what is published may be old.
 */
typedef struct DatabaseEntry
{
	Oid			oid;
	DatabaseState state;
	HashKey		key;
	TimestampTz looked_at;		/* when a worker last looked */
	int			storing_error;	/* SQLSTATE with which storing fails now, said already; 0: none */
	Oid			model_table;	/* predictor.model, whose invalidation announces a change */
	pg_atomic_uint32 wanted;
	pg_atomic_uint32 published;
	int			failures;		/* of publishers in a row; the launcher's own */
	TimestampTz look_at;		/* when one shall look at its trainings; 0: at once */
} DatabaseEntry;

/* A database that a command wants empty: our workers leave it and stay away. */
typedef struct Pause
{
	Oid			database;		/* InvalidOid: not used */
	int			pid;			/* of the backend that runs the command */
} Pause;

typedef enum JobState
{
	JOB_FREE = 0,
	JOB_REQUESTED,				/* train() waits for the launcher to start a trainer */
	JOB_RUNNING,				/* a trainer works on it */
	JOB_DONE,
	JOB_FAILED,
	JOB_CANCELLED
} JobState;

/*
 * A training in progress. The slot is filled by train(), worked on by one trainer, and freed by
 * train() if it waits, else by the trainer at its end. Facts that must survive are in the table
 * predictor.training_job; this is the live part.
 */
typedef struct TrainingJob
{
	JobState	state;
	pg_uuid_t	id;
	Oid			database;
	Oid			user;
	NameData	model;
	pg_uuid_t	model_id;
	bool		promote;
	bool		is_recorded;	/* its row is there already, and outlives the slot */
	bool		waited_for;		/* a backend waits and will free the slot */
	bool		cancel;			/* asked to stop */
	TimestampTz requested_at;
	int			trainer_pid;
	/* progress */
	char		phase[32];
	char		device[32];		/* where the engine trains; "": not known yet */
	int			epoch;
	int			max_epochs;
	double		loss;
	double		validation_q50;
	double		eta_seconds;
	uint32		progress_count; /* grows with each change, so that a waiter sees news */
	/* result */
	int			version;
	int64		plans;
	bool		promoted;
	int			sqlstate;		/* of the error, if failed */
	char		error[PREDICTOR_ERROR_SIZE];
	char		detail[PREDICTOR_ERROR_SIZE];
	char		hint[PREDICTOR_ERROR_SIZE];
} TrainingJob;

#define PREDICTOR_MAX_ENGINES 8
#define PREDICTOR_LINK_TEXT 200

typedef enum EngineLinkState
{
	ENGINE_LINK_CONFIGURED = 0, /* not asked yet */
	ENGINE_LINK_REACHABLE,
	ENGINE_LINK_UNREACHABLE,
	ENGINE_LINK_INCOMPATIBLE	/* it answers, but is not for us */
} EngineLinkState;

/* What is known of an engine elsewhere; see engine_links.h. */
typedef struct EngineLink
{
	char		url[256];		/* "": not used */
	EngineLinkState state;
	int			failures;		/* in a row */
	TimestampTz changed_at;
	TimestampTz not_before;		/* passed over until then; 0: not passed over */
	char		version[PREDICTOR_LINK_TEXT];
	char		error[PREDICTOR_LINK_TEXT];
} EngineLink;

typedef enum KeeperState
{
	KEEPER_STOPPED = 0,
	KEEPER_STARTING,			/* the keeper runs, the engine is not yet listening */
	KEEPER_RUNNING,				/* port and directory are valid */
	KEEPER_FAILED				/* error says why; a new request tries again */
} KeeperState;

/* The embedded engine. wanted_until in the future makes the launcher start a keeper. */
typedef struct Keeper
{
	KeeperState state;
	TimestampTz wanted_until;
	int			keeper_pid;
	int			engine_pid;
	int			port;
	uint32		generation;		/* grows with each start of the engine */
	int			failures;		/* in a row; an engine that is stopped because nobody wants it ends the row */
	char		directory[MAXPGPATH];	/* holds ca.crt, client.crt, client.key */
	char		error[PREDICTOR_ERROR_SIZE];
} Keeper;

/* The publisher at work; there is one at a time. Written by the launcher while none runs. */
typedef struct Publisher
{
	Oid			database;
	uint32		ticket;
	volatile bool is_connected; /* it reached the database */
	volatile bool is_done;
} Publisher;

typedef enum Counter
{
	COUNTER_SEEN,				/* statements that capture looked at */
	COUNTER_CAPTURED,			/* records put into the ring */
	COUNTER_NOT_SAMPLED,		/* of a plan that is known well enough, or too short */
	COUNTER_DROPPED_RATE,		/* wanted, but over max_captures_per_second */
	COUNTER_DROPPED_BUSY,		/* a lock was taken */
	COUNTER_DROPPED_FULL,		/* ring full */
	COUNTER_DROPPED_LARGE,		/* more than PREDICTOR_MAX_NODES, or larger than the ring */
	COUNTER_DROPPED_MEMORY,		/* out of memory in the backend */
	COUNTER_DROPPED_DATABASE,	/* the database was not looked at yet */
	COUNTER_DROPPED_RECOVERY,	/* server in recovery: nothing can be stored */
	COUNTER_DROPPED_QUEUE,		/* launcher's queue of the database full */
	COUNTER_DROPPED_WORKER,		/* the worker that should have stored it failed */
	COUNTER_FAILED_STATEMENTS,	/* ended with an error: counted, not learned */
	COUNTER_TIMED_OUT,			/* cancelled, and described: a censored record */
	COUNTER_CANCELLED_UNKNOWN,	/* cancelled, of a kind that is fast: not described, so no record */
	COUNTER_UNUSUAL,			/* far from what its plan has taken before: wanted for that */
	COUNTER_AGGREGATES_BUSY,	/* executions missing in a plan's aggregate: its lock was taken */
	COUNTER_PLANS_EVICTED,		/* plans that left the hash of aggregates for others */
	COUNTER_FLUSHED,			/* records stored */
	COUNTER_FLUSHES,			/* transactions of workers that stored records */
	COUNTER_FLUSH_FAILURES,
	COUNTER_FLUSH_CPU,			/* CPU time of the workers that store, microseconds */
	COUNTER_PREDICTIONS,
	COUNTER_OVER_LIMIT,			/* statements predicted beyond max_predicted_time */
	COUNTER_REFUSED,			/* of these, the ones that were not run */
	COUNTER_COUNT
} Counter;

#define COUNTER_SHARDS 16

typedef struct CounterShard
{
	pg_atomic_uint64 values[COUNTER_COUNT];
	char		padding[PG_CACHE_LINE_SIZE];	/* no two shards in one line */
} CounterShard;

typedef struct SharedState
{
	LWLock	   *lock;
	Latch	   *launcher_latch; /* of its PGPROC, in shared memory; NULL: not running */
	CounterShard counters[COUNTER_SHARDS];

	/* max_captures_per_second: when the captures admitted so far will be worked off */
	pg_atomic_uint64 captures_due;

	/*
	 * Grows with each change of who is in databases[], of states and keys, so that backends may cache their entry, and
	 * look without the lock: odd while a change goes on.
	 */
	pg_atomic_uint32 directory_generation;

	/* grows each time that a database's history is emptied */
	pg_atomic_uint32 history_resets;

	/* flush requests: a requester takes a ticket and waits until flush_done reaches it */
	pg_atomic_uint64 flush_requested;
	pg_atomic_uint64 flush_done;

	DatabaseEntry databases[PREDICTOR_MAX_DATABASES];
	Pause		pauses[PREDICTOR_MAX_PAUSES];
	TrainingJob jobs[PREDICTOR_MAX_JOBS];
	Keeper		keeper;
	EngineLink	engines[PREDICTOR_MAX_ENGINES];
	Publisher	publisher;
} SharedState;

/* NULL when the library was not preloaded. */
extern SharedState *shared;

/* Called once from _PG_init() while shared_preload_libraries are loaded. */
extern void shared_request(void);

/* Raises 55000 with the line to put into postgresql.conf, unless the library was preloaded. */
extern void shared_require(void);

extern void shared_count(Counter counter);
/* The same for what happens all the time: at the end of the transaction (shared_settle_counts()). */
extern void shared_count_later(Counter counter);
extern void shared_settle_counts(void);
extern void shared_count_many(Counter counter, uint64 times);
extern uint64 shared_counter(Counter counter);

/*
 * The key of the current database, if it is ready. Announces an unknown database, for which it takes the lock, only
 * conditionally if `conditional`. Cached in the backend. Never raises.
 */
extern bool shared_database_key(HashKey *key, bool conditional);

/* Asks for another look at the current database: its extension, its key or its models changed. */
extern void shared_announce_database(void);

/* The same once the transaction has committed, also on standbys that replay it; functions.c. */
extern void announce_models(Oid schema);

/*
 * The same for a relation of the current database that was invalidated (InvalidOid: all of them), if
 * it is predictor.model. Takes no lock: for use while invalidations are processed.
 */
extern void shared_relation_invalidated(Oid relid);

/* The same, of some database, for the launcher: all are to be looked at. */
extern void shared_models_invalidated(void);

/*
 * Is what is published of the current database behind what is known to have changed? Then *ticket
 * is what to wait for with shared_is_published(). Introduces an unknown database.
 */
extern bool shared_publication_pending(uint32 *ticket);
extern bool shared_is_published(uint32 ticket);

/* For the launcher: the next database after position *at that wants a publisher. */
extern bool shared_next_publication(int *at, Oid *database, uint32 *ticket);

/* For the launcher: a publisher that began at `ticket` has ended, well or not. */
extern void shared_publication_ended(Oid database, uint32 ticket, bool done);

/* What a publisher found: which relation's invalidation announces changes. */
extern void shared_set_model_table(Oid database, Oid model_table);

/* Makes a database known that is not yet, so that it is looked into. */
extern void shared_introduce_database(Oid database, bool conditional);

/* What a worker found out about a database. */
extern void shared_publish_database(Oid database, DatabaseState state, const HashKey *key);

/*
 * Storing in the current database failed with this SQLSTATE, or 0: worked. True if that is news, and
 * so something to say.
 */
extern bool shared_storing_changed(int sqlstate);

/* Makes our workers leave a database; resume() ends all pauses of this backend. */
extern void shared_pause_database(Oid database);
extern void shared_resume_databases(void);
extern bool shared_is_database_paused(Oid database);

/* Wakes the launcher, if there is one. */
extern void shared_wake_launcher(void);

/*
 * One more capture now? `share` (0 to 1) is how much of a second's captures may be used up before
 * this one: who asks for less leaves the rest to those who ask for more. Lock-free. has_room() only
 * looks, admit_capture() counts it. `now` is clock_nanoseconds().
 */
extern bool shared_has_room(uint64 now, double share);
extern bool shared_admit_capture(uint64 now, double share);

#endif
