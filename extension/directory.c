/*
 * directory.c - see directory.h for the rules.
 */
#include "postgres.h"

#include <math.h>
#include <unistd.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/fd.h"
#include "storage/shmem.h"

#include "extension/directory.h"

#define FILE_PREFIX "predictor."
#define LEAST_CHANGE 0.01		/* of a calibration */

typedef struct Directory
{
	LWLock	   *lock;
	pg_atomic_uint64 generation;
	pg_atomic_uint64 last_file;
	ServedEntry entries[PREDICTOR_MAX_MODELS];
} Directory;

static Directory *directory = NULL;

Size
directory_shmem_size(void)
{
	return MAXALIGN(sizeof(Directory));
}

/* What a server that crashed left behind; nobody else can have it open now. */
static void
remove_files(void)
{
	DIR		   *dir = AllocateDir(PG_STAT_TMP_DIR);
	struct dirent *file;

	while ((file = ReadDirExtended(dir, PG_STAT_TMP_DIR, LOG)) != NULL)
	{
		char		path[MAXPGPATH * 2];

		if (strncmp(file->d_name, FILE_PREFIX, strlen(FILE_PREFIX)) != 0)
			continue;
		snprintf(path, sizeof(path), PG_STAT_TMP_DIR "/%s", file->d_name);
		if (unlink(path) != 0)
			ereport(LOG,
					(errcode_for_file_access(), errmsg("could not remove file \"%s\": %m", path)));
	}
	FreeDir(dir);
}

void
directory_shmem_init(LWLock *lock)
{
	bool		found;
	Directory  *memory = ShmemInitStruct("predictor directory", directory_shmem_size(), &found);

	if (!found)
	{
		memset(memory, 0, sizeof(Directory));
		memory->lock = lock;
		pg_atomic_init_u64(&memory->generation, 1);
		pg_atomic_init_u64(&memory->last_file, 0);
		remove_files();
	}
	directory = memory;
}

uint64
directory_generation(void)
{
	return pg_atomic_read_u64(&directory->generation);
}

void
directory_path(Oid database, uint64 file, char path[MAXPGPATH])
{
	snprintf(path, MAXPGPATH, PG_STAT_TMP_DIR "/" FILE_PREFIX "%u." UINT64_FORMAT ".bundle",
			 database, file);
}

static void
remove_file(const ServedEntry *entry)
{
	char		path[MAXPGPATH];

	if (entry->file == 0)
		return;
	directory_path(entry->database, entry->file, path);
	if (unlink(path) != 0 && errno != ENOENT)
		ereport(LOG,
				(errcode_for_file_access(), errmsg("could not remove file \"%s\": %m", path)));
}

/* False: it was asked for conditionally and not to be had. */
static bool
lock_shared(bool conditional)
{
	if (conditional)
		return LWLockConditionalAcquire(directory->lock, LW_SHARED);
	LWLockAcquire(directory->lock, LW_SHARED);
	return true;
}

DirectoryResult
directory_find(const char *name, bool conditional, ServedEntry *entry)
{
	bool		named = name != NULL && name[0] != '\0';
	int			matches = 0;

	if (!lock_shared(conditional))
		return DIRECTORY_BUSY;
	for (int i = 0; i < PREDICTOR_MAX_MODELS; i++)
	{
		const ServedEntry *e = &directory->entries[i];

		if (e->database != MyDatabaseId || (named && strcmp(NameStr(e->name), name) != 0))
			continue;
		*entry = *e;
		matches++;
	}
	LWLockRelease(directory->lock);
	return matches == 0 ? DIRECTORY_NONE : matches == 1 ? DIRECTORY_FOUND : DIRECTORY_SEVERAL;
}

bool
directory_read(int i, ServedEntry *entry)
{
	LWLockAcquire(directory->lock, LW_SHARED);
	*entry = directory->entries[i];
	LWLockRelease(directory->lock);
	return OidIsValid(entry->database);
}

static ServedEntry *
find_uuid(Oid database, const pg_uuid_t *uuid)
{
	for (int i = 0; i < PREDICTOR_MAX_MODELS; i++)
		if (directory->entries[i].database == database &&
			memcmp(&directory->entries[i].uuid, uuid, sizeof(pg_uuid_t)) == 0)
			return &directory->entries[i];
	return NULL;
}

DirectoryResult
directory_find_uuid(Oid database, const pg_uuid_t *uuid, bool conditional, ServedEntry *entry)
{
	ServedEntry *found;

	if (!lock_shared(conditional))
		return DIRECTORY_BUSY;
	found = find_uuid(database, uuid);
	if (found != NULL)
		*entry = *found;
	LWLockRelease(directory->lock);
	return found != NULL ? DIRECTORY_FOUND : DIRECTORY_NONE;
}

int64
directory_model_key(const pg_uuid_t *uuid)
{
	uint64		key = 0;

	for (int i = 0; i < 8; i++)
		key = key << 8 | uuid->data[i];
	return (int64) key;
}

void
directory_calibrate(Oid database, int64 model_key, int version, double calibration)
{
	LWLockAcquire(directory->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PREDICTOR_MAX_MODELS; i++)
	{
		ServedEntry *entry = &directory->entries[i];

		if (entry->database != database || entry->version != version ||
			directory_model_key(&entry->uuid) != model_key)
			continue;
		/* who predicts looks again at each change of the directory: not for a trifle */
		if (fabs(entry->calibration / calibration - 1) < LEAST_CHANGE)
			continue;
		entry->calibration = calibration;
		pg_atomic_fetch_add_u64(&directory->generation, 1);
	}
	LWLockRelease(directory->lock);
}

uint64
directory_new_file(void)
{
	return pg_atomic_add_fetch_u64(&directory->last_file, 1);
}

bool
directory_put(const ServedEntry *entry)
{
	ServedEntry old = {0};
	ServedEntry *place;

	LWLockAcquire(directory->lock, LW_EXCLUSIVE);
	place = find_uuid(entry->database, &entry->uuid);
	for (int i = 0; i < PREDICTOR_MAX_MODELS && place == NULL; i++)
		if (directory->entries[i].database == InvalidOid)
			place = &directory->entries[i];
	if (place != NULL)
	{
		old = *place;
		*place = *entry;
		pg_atomic_fetch_add_u64(&directory->generation, 1);
	}
	LWLockRelease(directory->lock);
	if (old.file != entry->file)
		remove_file(&old);
	return place != NULL;
}

void
directory_keep(Oid database, const pg_uuid_t *uuids, int count)
{
	for (int i = 0; i < PREDICTOR_MAX_MODELS; i++)
	{
		ServedEntry entry;
		bool		keep = !directory_read(i, &entry) || entry.database != database;

		for (int k = 0; k < count && !keep; k++)
			keep = memcmp(&entry.uuid, &uuids[k], sizeof(pg_uuid_t)) == 0;
		if (keep)
			continue;
		LWLockAcquire(directory->lock, LW_EXCLUSIVE);
		memset(&directory->entries[i], 0, sizeof(ServedEntry));
		pg_atomic_fetch_add_u64(&directory->generation, 1);
		LWLockRelease(directory->lock);
		remove_file(&entry);
	}
}
