/*
 * directory.h - which version of which model answers: a fixed table in shared memory, and the files
 * that hold the verified bundles, one for all backends.
 *
 * A publisher (worker/publisher.c), one at a time in the whole server, is the only writer but for
 * calibration, which collectors set. A bundle's
 * file is written under a temporary name, synced, renamed and then named in the directory; it is never
 * changed, and removed when another takes its place. Who has mapped it keeps it: the system frees the
 * memory when the last mapping has gone. Files are named by a number that is used once while the
 * server runs, lie in pg_stat_tmp (which no base backup takes along) and are removed when shared
 * memory is made anew: nothing here has to outlive the server, for it all comes from tables.
 *
 * Locking rules: entries are read and written under the directory's lock, for moments; hooks take it
 * conditionally, and only if directory_generation() has changed since they last looked.
 */
#ifndef PREDICTOR_DIRECTORY_H
#define PREDICTOR_DIRECTORY_H

#include "postgres.h"

#include "storage/lwlock.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define PREDICTOR_MAX_MODELS 256	/* in all databases together */
#define NO_VERSION (-1)

/* A model of some database. */
typedef struct ServedEntry
{
	Oid			database;		/* InvalidOid: not used */
	NameData	name;
	pg_uuid_t	uuid;
	int			active_version; /* as the table says; NO_VERSION: none */
	int			version;		/* that answers; NO_VERSION: none */
	uint64		file;			/* number of the bundle's file */
	uint64		size;
	uint8		sha256[32];
	uint64		key_id;			/* of the key that it knows constants by; 0: it knows none */
	uint64		warned_key_id;	/* that the log has been told of, since it is another */
	double		calibration;	/* factor of live calibration */
	TimestampTz trained_at;
	TimestampTz published_at;
	char		problem[160];	/* why the active version does not answer; empty: it does */
} ServedEntry;

typedef enum DirectoryResult
{
	DIRECTORY_FOUND,
	DIRECTORY_NONE,				/* no such model; of an empty name: no model at all */
	DIRECTORY_SEVERAL,			/* several models, and none was named */
	DIRECTORY_BUSY				/* the lock was not to be had */
} DirectoryResult;

/* How a model is named in records: the first half of its uuid, as predictor.model_key() has it. */
extern int64 directory_model_key(const pg_uuid_t *uuid);

/* Grows with each change of the directory. */
extern uint64 directory_generation(void);

/* Finds a model of the current database; `name` NULL or empty: the only one there is. */
extern DirectoryResult directory_find(const char *name, bool conditional, ServedEntry *entry);

/* Copies entry `i` of all; false if it is not used. */
extern bool directory_read(int i, ServedEntry *entry);

/* The path of a bundle's file, relative to the data directory. */
extern void directory_path(Oid database, uint64 file, char path[MAXPGPATH]);

/* Finds a model by its uuid; FOUND, NONE or, if `conditional`, BUSY. */
extern DirectoryResult directory_find_uuid(Oid database, const pg_uuid_t *uuid, bool conditional,
										   ServedEntry *entry);

/* For the publisher. */
extern uint64 directory_new_file(void);
/* Puts an entry in place of the one with its uuid; removes that one's file. False: no room. */
extern bool directory_put(const ServedEntry *entry);
/* Removes the entries of a database but those with the given uuids, and their files. */
extern void directory_keep(Oid database, const pg_uuid_t *uuids, int count);

/* Sets the factor of a version of the database; for collectors. */
extern void directory_calibrate(Oid database, int64 model_key, int version, double calibration);

extern Size directory_shmem_size(void);
extern void directory_shmem_init(LWLock *lock);

#endif
