/*
 * engine_files.c - see engine_files.h.
 *
 * A connection is made with the files that are there at that moment and kept for later requests; so
 * what was seen of the files is kept too, and when they differ the connection is closed. That makes
 * a renewed certificate, another authority or a new revocation list count from the next request on.
 * The passphrase is asked for once per process and key file, and wiped when the process ends.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "extension/certificate_dates.h"
#include "extension/engine_files.h"
#include "extension/passphrase.h"
#include "extension/sql_version.h"
#include "extension/settings.h"

PG_FUNCTION_INFO_V1(predictor_certificates);

/*
 * The server's own check of private key files, which logs what is wrong. Declared here because its
 * header needs others that packaged servers do not ship.
 */
extern bool check_ssl_key_file_permissions(const char *ssl_key_file, bool isServerStart);

#define WARN_DAYS 30
#define FILE_COUNT 4

/* What a key file begins with is enough to see whether it is encrypted. */
#define KEY_FILE_LIMIT 16384

typedef struct FileState
{
	char		path[MAXPGPATH];
	dev_t		device;
	ino_t		inode;
	off_t		size;
	struct timespec modified;
} FileState;

static FileState seen[FILE_COUNT];
static char passphrase[PASSPHRASE_SIZE];
static bool passphrase_known = false;

static void
forget_passphrase(void)
{
	explicit_bzero(passphrase, sizeof(passphrase));
	passphrase_known = false;
}

static void
forget_at_exit(int code, Datum arg)
{
	forget_passphrase();
}

/* A path of the settings; relative ones begin at the data directory. */
static void
resolve_path(char *out, const char *path)
{
	if (path[0] == '\0' || is_absolute_path(path))
		strlcpy(out, path, MAXPGPATH);
	else
		snprintf(out, MAXPGPATH, "%s/%s", DataDir, path);
}

void
engine_files_configured(EngineTarget *target)
{
	resolve_path(target->ca_file, predictor_ssl_ca_file);
	resolve_path(target->crl_file, predictor_ssl_crl_file);
	resolve_path(target->cert_file, predictor_ssl_cert_file);
	resolve_path(target->key_file, predictor_ssl_key_file);
}

/* Those of the server's own engine, if it runs. */
static void
engine_files_embedded(EngineTarget *target)
{
	shared_require();
	LWLockAcquire(shared->lock, LW_SHARED);
	if (shared->keeper.state == KEEPER_RUNNING)
	{
		snprintf(target->ca_file, MAXPGPATH, "%s/ca.crt", shared->keeper.directory);
		snprintf(target->cert_file, MAXPGPATH, "%s/client.crt", shared->keeper.directory);
	}
	LWLockRelease(shared->lock);
}

static void
look_at(const char *path, FileState *state)
{
	struct stat status;

	memset(state, 0, sizeof(*state));
	strlcpy(state->path, path, sizeof(state->path));
	if (path[0] == '\0' || stat(path, &status) != 0)
		return;
	state->device = status.st_dev;
	state->inode = status.st_ino;
	state->size = status.st_size;
	state->modified = status.st_mtim;
}

/* Have they changed since the last time? Remembers what they are now. */
static bool
have_changed(const EngineTarget *target)
{
	const char *const paths[FILE_COUNT] = {
		target->ca_file, target->crl_file, target->cert_file, target->key_file
	};
	FileState	now[FILE_COUNT];

	for (int i = 0; i < FILE_COUNT; i++)
		look_at(paths[i], &now[i]);
	if (memcmp(now, seen, sizeof(now)) == 0)
		return false;
	memcpy(seen, now, sizeof(now));
	return true;
}

static bool
is_encrypted(const char *key_file)
{
	char		text[KEY_FILE_LIMIT + 1];
	int			fd = open(key_file, O_RDONLY | O_CLOEXEC);
	ssize_t		got;
	bool		encrypted;

	if (fd < 0)
		return false;
	got = read(fd, text, KEY_FILE_LIMIT);
	close(fd);
	text[Max(got, 0)] = '\0';
	encrypted = strstr(text, "ENCRYPTED") != NULL;
	explicit_bzero(text, sizeof(text));
	return encrypted;
}

/*
 * Without a passphrase OpenSSL would ask for one on the terminal of who started the server, so a key
 * that needs one and has none never gets there.
 */
static bool
find_passphrase(const char *key_file, const char **cause)
{
	static bool registered = false;
	char	   *problem = NULL;

	if (passphrase_known || !is_encrypted(key_file))
		return true;
	if (predictor_ssl_passphrase_command == NULL || predictor_ssl_passphrase_command[0] == '\0')
	{
		*cause = "it is encrypted, and predictor.ssl_passphrase_command is not set";
		return false;
	}
	if (!registered)
		on_proc_exit(forget_at_exit, (Datum) 0);
	registered = true;
	passphrase_known = passphrase_run(predictor_ssl_passphrase_command, passphrase, &problem);
	if (!passphrase_known)
		*cause = problem;
	return passphrase_known;
}

/* ---- what ends when ---- */

static int
days_until(int64 end)
{
	int64		left = end - (int64) time(NULL);

	return (int) (left >= 0 ? left / SECS_PER_DAY : -((-left + SECS_PER_DAY - 1) / SECS_PER_DAY));
}

static void
warn_of(const char *what, const char *file, int64 end, const char *hint)
{
	int			days = days_until(end);

	if (days >= WARN_DAYS)
		return;
	if (days < 0)
		ereport(WARNING,
				(errmsg("predictor's %s \"%s\" has expired", what, file), errhint("%s", hint)));
	else
		ereport(WARNING,
				(errmsg("predictor's %s \"%s\" expires in %d days", what, file, days), errhint("%s", hint)));
}

static void
warn_of_ends(const EngineTarget *target)
{
	int64		end;

	if (certificate_end(target->cert_file, &end))
		warn_of("certificate", target->cert_file, end,
				"Make a new one with predictor-certs renew client, and put it in its place.");
	if (authorities_end(target->ca_file, &end))
		warn_of("certificate authority", target->ca_file, end,
				"Make a new authority and let both overlap; docs/tls.md says how.");
	if (target->crl_file[0] != '\0' && revocation_lists_end(target->crl_file, &end))
		warn_of("revocation list", target->crl_file, end,
				"Make a new one with predictor-certs renew crl; without a valid list no engine is trusted.");
}

void
engine_files_watch(void)
{
	static TimestampTz watched_at = 0;
	TimestampTz now = GetCurrentTimestamp();
	EngineTarget target;

	if (predictor_engine_url == NULL || predictor_engine_url[0] == '\0')
		return;
	if (watched_at != 0 && !TimestampDifferenceExceeds(watched_at, now, SECS_PER_DAY * 1000))
		return;
	watched_at = now;
	memset(&target, 0, sizeof(target));
	engine_files_configured(&target);
	warn_of_ends(&target);
}

/* ---- a request ---- */

bool
engine_files_prepare(const EngineTarget *target, EngineHttpRequest *request, EngineReply *reply,
					 const char **cause)
{
	reply->problem = ENGINE_BAD_CLIENT_FILES;
	*cause = "";
	if (have_changed(target))
	{
		engine_close();
		forget_passphrase();
		warn_of_ends(target);
	}
	if (!check_ssl_key_file_permissions(target->key_file, false))
		return false;
	if (!find_passphrase(target->key_file, cause))
		return false;
	reply->problem = ENGINE_OK;
	request->ca_file = target->ca_file;
	request->crl_file = target->crl_file[0] != '\0' ? target->crl_file : NULL;
	request->cert_file = target->cert_file;
	request->key_file = target->key_file;
	request->passphrase = passphrase_known ? passphrase : NULL;
	return true;
}

/* ---- view engine ---- */

/* Days that are left to the certificate, the authority and the revocation list; NULL: there is none. */
Datum
predictor_certificates(PG_FUNCTION_ARGS)
{
	EngineTarget target;
	TupleDesc	tupdesc = sql_row_type(fcinfo);
	Datum		values[3];
	bool		nulls[3];
	int64		ends[3];

	memset(&target, 0, sizeof(target));
	if (predictor_engine_url != NULL && predictor_engine_url[0] != '\0')
		engine_files_configured(&target);
	else
		engine_files_embedded(&target);
	nulls[0] = !certificate_end(target.cert_file, &ends[0]);
	nulls[1] = !authorities_end(target.ca_file, &ends[1]);
	nulls[2] = target.crl_file[0] == '\0' || !revocation_lists_end(target.crl_file, &ends[2]);
	for (int i = 0; i < 3; i++)
		values[i] = nulls[i] ? (Datum) 0 : Int32GetDatum(days_until(ends[i]));
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}
