/*
 * publisher.c - looks into one database, verifies the bundles that became active there, and publishes
 * them and the database's key for all backends; then it ends. It runs on standbys as well.
 *
 * A bundle is verified once, here: the row's checksum, the bundle's own, its structure and its canary.
 * One that fails is refused: the model's last good version goes on answering, the directory says why,
 * and the log says so once for each refused version.
 *
 * Which changes are seen. The relation whose invalidation announces a change is made known before the
 * snapshot is taken from which models are read: a change that the snapshot misses is announced and
 * brings another publisher.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "extension/compat.h"
#include "extension/directory.h"
#include "extension/facade.h"
#include "worker/publishing.h"
#include "worker/worker.h"

/* The current row's column; *isnull tells if there is none. */
static Datum
column(uint64 row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

bool
publisher_read_key(HashKey *key)
{
	static const char *const tables[] = {"hash_key", "model", NULL};
	bool		isnull;
	bytea	   *bytes;

	if (!worker_hold_extension(tables))
		return false;
	if (SPI_execute("SELECT id, key FROM predictor.hash_key", true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		return false;
	key->id = (uint64) DatumGetInt64(column(0, 1, &isnull));
	bytes = DatumGetByteaPP(column(0, 2, &isnull));
	memcpy(&key->k0, VARDATA_ANY(bytes), sizeof(uint64));
	memcpy(&key->k1, VARDATA_ANY(bytes) + sizeof(uint64), sizeof(uint64));
	return true;
}

/* Finds out whether the extension is here, and how its models will announce a change. */
static bool
look(HashKey *key)
{
	bool		found;

	worker_begin("looking for extension predictor");
	found = publisher_read_key(key);
	if (found)
		shared_set_model_table(MyDatabaseId,
							   get_relname_relid("model", get_namespace_oid("predictor", false)));
	worker_commit();
	return found;
}

/* ---- files ---- */

static void
write_file(const char *path, const char *bytes, Size size)
{
	int			fd = OpenTransientFile(path, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY);

	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not create file \"%s\": %m", path)));
	while (size > 0)
	{
		ssize_t		written;

		errno = 0;
		written = write(fd, bytes, size);
		if (written <= 0)
		{
			int			save_errno = errno != 0 ? errno : ENOSPC;

			unlink(path);
			errno = save_errno;
			ereport(ERROR,
					(errcode_for_file_access(), errmsg("could not write file \"%s\": %m", path)));
		}
		bytes += written;
		size -= written;
	}
	if (pg_fsync(fd) != 0 || CloseTransientFile(fd) != 0)
	{
		unlink(path);
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not sync file \"%s\": %m", path)));
	}
}

/* Gives the verified bytes a file of their own; returns its number. */
static uint64
store_file(const char *bytes, Size size)
{
	uint64		file = directory_new_file();
	char		path[MAXPGPATH];
	char		temporary[MAXPGPATH + 8];

	directory_path(MyDatabaseId, file, path);
	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	write_file(temporary, bytes, size);
	if (rename(temporary, path) != 0)
	{
		unlink(temporary);
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s\" to \"%s\": %m", temporary, path)));
	}
	return file;
}

/* ---- models ---- */

/*
 * The bundle of the entry's active version, aligned to 8; NULL with a problem in the entry if it is
 * missing or not what the row's checksum says.
 */
static char *
read_bundle(ServedEntry *entry, Size *size)
{
	Oid			types[2] = {UUIDOID, INT4OID};
	Datum		values[2] = {UUIDPGetDatum(&entry->uuid), Int32GetDatum(entry->active_version)};
	bool		isnull[3];
	bytea	   *bundle;
	bytea	   *sha256;
	char	   *bytes;

	if (SPI_execute_with_args("SELECT bundle, sha256, trained_at FROM predictor.model_version"
							  " WHERE model = $1 AND version = $2", 2, types, values, NULL, true, 1)
		!= SPI_OK_SELECT)
		elog(ERROR, "could not read predictor.model_version");
	if (SPI_processed == 0)
	{
		strlcpy(entry->problem, "its bundle is missing", sizeof(entry->problem));
		return NULL;
	}
	bundle = DatumGetByteaPP(column(0, 1, &isnull[0]));
	sha256 = DatumGetByteaPP(column(0, 2, &isnull[1]));
	entry->trained_at = DatumGetTimestampTz(column(0, 3, &isnull[2]));
	*size = VARSIZE_ANY_EXHDR(bundle);
	bytes = palloc(Max(*size, 1));
	memcpy(bytes, VARDATA_ANY(bundle), *size);
	if (!predictor_sha256(bytes, *size, entry->sha256) ||
		VARSIZE_ANY_EXHDR(sha256) != sizeof(entry->sha256) ||
		memcmp(entry->sha256, VARDATA_ANY(sha256), sizeof(entry->sha256)) != 0)
	{
		strlcpy(entry->problem, "it differs from the checksum in its row", sizeof(entry->problem));
		return NULL;
	}
	return bytes;
}

/* Verifies the active version and stores its file. False: the entry says why not. */
static bool
verify(ServedEntry *entry)
{
	Size		size;
	char	   *bytes = read_bundle(entry, &size);
	PredictorModel *model;

	if (bytes == NULL)
		return false;
	model = predictor_model_open(bytes, size, entry->problem, sizeof(entry->problem));
	if (model == NULL)
		return false;
	entry->key_id = predictor_model_key_id(model);
	predictor_model_close(model);
	entry->file = store_file(bytes, size);
	entry->size = size;
	entry->version = entry->active_version;
	entry->problem[0] = '\0';
	entry->published_at = GetCurrentTimestamp();
	return true;
}

/* Says so, once, if the model knows constants by another key than the database's. */
static void
compare_key(ServedEntry *entry, const HashKey *key)
{
	if (entry->version == NO_VERSION || entry->key_id == 0 || entry->key_id == key->id)
		entry->warned_key_id = 0;
	else if (entry->warned_key_id != key->id)
	{
		entry->warned_key_id = key->id;
		ereport(WARNING,
				(errmsg("version %d of model \"%s\" ignores constants", entry->version,
						NameStr(entry->name)),
				 errdetail("It was trained under another key than the one in predictor.hash_key."),
				 errhint("Train the model again.")));
	}
}

static bool
is_same_problem(const ServedEntry *a, const ServedEntry *b)
{
	return a->active_version == b->active_version && strcmp(a->problem, b->problem) == 0;
}

/* Brings the directory up to date with one row of predictor.model. */
static void
publish_model(const NameData *name, const pg_uuid_t *uuid, int active_version, const bytea *sha256,
			  double calibration, const HashKey *key)
{
	ServedEntry old;
	ServedEntry entry;
	static bool said_full = false;

	if (directory_find_uuid(MyDatabaseId, uuid, false, &old) == DIRECTORY_NONE)
	{
		memset(&old, 0, sizeof(old));
		old.version = old.active_version = NO_VERSION;
		old.calibration = 1;
	}
	entry = old;
	entry.database = MyDatabaseId;
	entry.name = *name;
	entry.uuid = *uuid;
	entry.active_version = active_version;
	entry.calibration = calibration;
	if (active_version == NO_VERSION)
	{
		/* a new file number also tells readers that this is not the model they had */
		entry.version = NO_VERSION;
		entry.file = 0;
		entry.problem[0] = '\0';
	}
	else if (old.version == active_version && sha256 != NULL &&
			 VARSIZE_ANY_EXHDR(sha256) == sizeof(old.sha256) &&
			 memcmp(VARDATA_ANY(sha256), old.sha256, sizeof(old.sha256)) == 0)
		entry.problem[0] = '\0';
	else if (!verify(&entry))
	{
		memcpy(entry.sha256, old.sha256, sizeof(entry.sha256));
		entry.trained_at = old.trained_at;
		entry.calibration = old.calibration;
		if (!is_same_problem(&entry, &old))
			ereport(WARNING,
					(errmsg("version %d of model \"%s\" cannot be used: %s", active_version,
							NameStr(*name), entry.problem),
					 old.version == NO_VERSION ? 0 :
					 errdetail("Version %d goes on answering.", old.version),
					 errhint("Activate another version with predictor.activate(), or train the model again.")));
	}
	compare_key(&entry, key);
	if (memcmp(&entry, &old, sizeof(entry)) != 0 && !directory_put(&entry) && !said_full)
	{
		said_full = true;
		ereport(WARNING,
				(errmsg("model \"%s\" cannot be used: the server serves no more than %d models",
						NameStr(*name), PREDICTOR_MAX_MODELS)));
	}
}

static void
publish_models(const HashKey *key)
{
	int			count;
	pg_uuid_t  *uuids;
	SPITupleTable *rows;

	worker_begin("publishing models");
	if (SPI_execute("SELECT m.name, m.uuid, m.active_version, v.sha256, coalesce(d.calibration, 1)"
					" FROM predictor.model m"
					" LEFT JOIN predictor.model_version v"
					" ON v.model = m.uuid AND v.version = m.active_version"
					" LEFT JOIN predictor.drift d ON d.model = v.model AND d.version = v.version"
					" ORDER BY m.created_at", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read predictor.model");
	count = (int) SPI_processed;
	rows = SPI_tuptable;
	uuids = palloc(sizeof(pg_uuid_t) * Max(count, 1));
	for (int i = 0; i < count; i++)
		uuids[i] = *DatumGetUUIDP(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &(bool){false}));
	directory_keep(MyDatabaseId, uuids, count);
	for (int i = 0; i < count; i++)
	{
		bool		isnull[5];
		Name		name = DatumGetName(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull[0]));
		Datum		version = SPI_getbinval(rows->vals[i], rows->tupdesc, 3, &isnull[2]);
		Datum		sha256 = SPI_getbinval(rows->vals[i], rows->tupdesc, 4, &isnull[3]);

		CHECK_FOR_INTERRUPTS();
		publish_model(name, &uuids[i], isnull[2] ? NO_VERSION : DatumGetInt32(version),
					  isnull[3] ? NULL : DatumGetByteaPP(sha256),
					  DatumGetFloat8(SPI_getbinval(rows->vals[i], rows->tupdesc, 5, &isnull[4])), key);
	}
	worker_commit();
}

void
predictor_publisher_main(Datum arg)
{
	Publisher  *publisher = &shared->publisher;
	HashKey		key;

	worker_connect(publisher->database, "predictor publisher");
	/* nobody's lock on our tables may keep other databases waiting */
	SetConfigOption("lock_timeout", "5s", PGC_SUSET, PGC_S_OVERRIDE);
	publisher->is_connected = true;
	if (!look(&key))
	{
		directory_keep(MyDatabaseId, NULL, 0);
		shared_publish_database(MyDatabaseId, DATABASE_ABSENT, NULL);
	}
	else
	{
		publish_models(&key);
		shared_publish_database(MyDatabaseId, DATABASE_READY, &key);
	}
	publisher->is_done = true;
}
