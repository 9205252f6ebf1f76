/*
 * worker.h - the background workers; worker/README.md has their state machines.
 */
#ifndef PREDICTOR_WORKER_H
#define PREDICTOR_WORKER_H

#include "postgres.h"

/* How many trainings run at one time: they leave the collectors a place. */
#define MAX_TRAINERS Min(predictor_max_trainings, Max(1, predictor_max_workers - 1))

/* Registers the launcher; from _PG_init() while shared_preload_libraries are loaded. */
extern void launcher_register(void);

/* Entry points, found by name. */
extern PGDLLEXPORT void predictor_launcher_main(Datum arg);
extern PGDLLEXPORT void predictor_collector_main(Datum arg);
extern PGDLLEXPORT void predictor_trainer_main(Datum arg);
extern PGDLLEXPORT void predictor_keeper_main(Datum arg);
extern PGDLLEXPORT void predictor_publisher_main(Datum arg);

/*
 * Connects a dynamic worker to a database and pins the settings that users' ALTER DATABASE must not
 * reach: synchronous_commit, read-only, timeouts, jit, search_path.
 */
extern void worker_connect(Oid database, const char *application_name);

/*
 * Makes sure that the extension is here, of a version that we work with, stays until the transaction ends, and that the named
 * relations of schema predictor are its own: anyone may make such a schema where the extension is
 * not, and what we run as superuser must touch nothing of theirs. `names` ends with NULL. False: they
 * are not. Waits at most lock_timeout for a DROP EXTENSION under way; that one does not wait for
 * tables that we hold, since it locks the extension first, as we do.
 */
extern bool worker_hold_extension(const char *const *names);

/* Short transactions around SPI: snapshot, activity, statistics. */
extern void worker_begin(const char *activity);
extern void worker_commit(void);

#endif
