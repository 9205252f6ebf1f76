/*
 * keeper.c - starts the server's own engine, watches it, and stops it when nobody wants it any more.
 *
 * The engine must never outlive the server. Its standard input is a pipe that only the keeper holds,
 * so it ends with the keeper in whatever way that ends; in every orderly way the keeper also waits
 * for it. Each start makes new certificates in a directory of its own, so those of a base backup or
 * of an earlier start are worth nothing.
 *
 * The keeper owns shared->keeper but for wanted_until, which everyone may extend.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "postmaster/syslogger.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "extension/compat.h"
#include "extension/settings.h"
#include "extension/shared.h"
#include "worker/child_process.h"
#include "worker/worker.h"

#define CERTIFICATES_TIMEOUT_MS 60000
/* generous: the engine is niced, and where every processor is busy its start takes minutes */
#define START_TIMEOUT_MS 300000
#define PREDECESSOR_TIMEOUT_MS 15000
#define ENGINE_BEFORE_TIMEOUT_MS 30000
#define TERMINATE_AFTER_MS 5000
#define KILL_AFTER_MS 10000
#define LOG_LIMIT (10 * 1024 * 1024)

DEFINE_WAIT_EVENT(wait_event_keeper, "PredictorKeeper")

static ChildProcess child;		/* the certificate tool, then the engine */
static char directory[MAXPGPATH];	/* of this start; "" before it has a name */
static char log_file[MAXPGPATH];
static off_t log_start;			/* where this start begins in it */
static char failure[PREDICTOR_ERROR_SIZE];	/* why we end; "": we were to */

static void
set_failure(const char *format,...) pg_attribute_printf(1, 2);

static void
set_failure(const char *format,...)
{
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(failure, sizeof(failure), format, arguments);
	va_end(arguments);
}

/* ---- our place in shared memory ---- */

/* Waits for a predecessor that is still ending. False if it does not end. */
static bool
take_over(void)
{
	TimestampTz begin = GetCurrentTimestamp();

	for (;;)
	{
		bool		taken = false;

		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		if (shared->keeper.keeper_pid == 0)
		{
			shared->keeper.keeper_pid = MyProcPid;
			shared->keeper.state = KEEPER_STARTING;
			shared->keeper.generation++;
			shared->keeper.error[0] = '\0';
			taken = true;
		}
		LWLockRelease(shared->lock);
		if (taken)
			return true;
		if (TimestampDifferenceExceeds(begin, GetCurrentTimestamp(), PREDECESSOR_TIMEOUT_MS) ||
			ShutdownRequestPending)
			return false;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50,
						 wait_event_keeper());
		ResetLatch(MyLatch);
	}
}

static void
publish_running(int port)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->keeper.state = KEEPER_RUNNING;
	shared->keeper.engine_pid = child.pid;
	shared->keeper.port = port;
	strlcpy(shared->keeper.directory, directory, MAXPGPATH);
	LWLockRelease(shared->lock);
}

/*
 * Is the engine still wanted? If not, it counts as stopped from this moment on, so that nobody
 * starts to use it while it ends.
 */
static bool
still_wanted(void)
{
	bool		wanted;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	wanted = shared->keeper.wanted_until > GetCurrentTimestamp();
	if (!wanted)
		shared->keeper.state = KEEPER_STOPPED;
	LWLockRelease(shared->lock);
	return wanted;
}

/*
 * The last thing a keeper does, in every way of ending but a crash. After a failure nobody is taken
 * to want the engine: who waits for it is told, and asks again if it likes.
 */
static void
leave(int code, Datum arg)
{
	if (code != 0 && failure[0] == '\0')
		set_failure("its keeper ended unexpectedly");
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->keeper.state = failure[0] != '\0' ? KEEPER_FAILED : KEEPER_STOPPED;
	strlcpy(shared->keeper.error, failure, sizeof(shared->keeper.error));
	if (failure[0] != '\0')
		shared->keeper.wanted_until = 0;
	shared->keeper.failures = failure[0] != '\0' ? shared->keeper.failures + 1 : 0;
	shared->keeper.engine_pid = 0;
	shared->keeper.port = 0;
	LWLockRelease(shared->lock);

	child_stop(&child, TERMINATE_AFTER_MS, KILL_AFTER_MS);
	if (directory[0] != '\0' && access(directory, F_OK) == 0)
		rmtree(directory, true);

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->keeper.keeper_pid = 0;
	LWLockRelease(shared->lock);
	shared_wake_launcher();
}

/* ---- files ---- */

/* The engine's program, or with another name the one beside it. */
static void
program_path(char *out, const char *name)
{
	if (predictor_engine_program != NULL && predictor_engine_program[0] != '\0')
		strlcpy(out, predictor_engine_program, MAXPGPATH);
	else
		snprintf(out, MAXPGPATH, "%s", my_exec_path);
	if (name != NULL)
	{
		get_parent_directory(out);
		join_path_components(out, out, name);
	}
}

static bool
check_program(const char *path)
{
	if (access(path, X_OK) == 0)
		return true;
	set_failure("program \"%s\" cannot be run: %s", path, strerror(errno));
	return false;
}

static void
choose_log(void)
{
	struct stat status;

	if (Logging_collector && is_absolute_path(Log_directory))
		snprintf(log_file, MAXPGPATH, "%s/predictord.log", Log_directory);
	else if (Logging_collector)
		snprintf(log_file, MAXPGPATH, "%s/%s/predictord.log", DataDir, Log_directory);
	else
		snprintf(log_file, MAXPGPATH, "%s/predictor/engine.log", DataDir);
	log_start = 0;
	if (stat(log_file, &status) != 0)
		return;
	if (status.st_size > LOG_LIMIT)
	{
		char		old[MAXPGPATH + 2];

		snprintf(old, sizeof(old), "%s.1", log_file);
		if (rename(log_file, old) == 0)
			return;
	}
	log_start = status.st_size;
}

/* The last line that was logged since the start, appended to the failure if it is a complaint. */
static void
quote_log(void)
{
	char		text[1024];
	char	   *end;
	char	   *line;
	int			fd = open(log_file, O_RDONLY | O_CLOEXEC);
	struct stat status;
	ssize_t		got;

	if (fd < 0)
		return;
	if (fstat(fd, &status) != 0 || status.st_size <= log_start)
	{
		close(fd);
		return;
	}
	got = pread(fd, text, sizeof(text) - 1, Max(log_start, status.st_size - (off_t) sizeof(text) + 1));
	close(fd);
	if (got <= 0)
		return;
	end = text + got;
	while (end > text && (end[-1] == '\n' || end[-1] == ' '))
		end--;
	*end = '\0';
	line = strrchr(text, '\n');
	line = line != NULL ? line + 1 : text;
	/* The engine's lines begin with time, process and level. */
	if (strstr(line, "] info: ") != NULL)
		return;
	if (strstr(line, "] ") != NULL)
		line = strstr(line, "] ") + 2;
	if (*line != '\0')
		set_failure("%.*s; its log ends with: %s", (int) strnlen(failure, sizeof(failure) / 2),
					pstrdup(failure), line);
}

/* Removes the directories in `parent` that the filter wants removed. */
static void
remove_directories(const char *parent, bool (*is_unwanted) (const char *name))
{
	DIR		   *open_directory = AllocateDir(parent);
	struct dirent *entry;

	while ((entry = ReadDir(open_directory, parent)) != NULL)
	{
		char		path[MAXPGPATH * 2];
		struct stat status;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			!is_unwanted(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
		if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode))
			rmtree(path, true);
	}
	FreeDir(open_directory);
}

/* Is it what keepers that could not clean up have left? */
static bool
is_leftover(const char *name)
{
	return strncmp(name, "engine.", 7) == 0 || strncmp(name, ".predictor-certs.", 17) == 0;
}

/*
 * The engine's working files are worth nothing without the trainers that waited for them, and what
 * was worth keeping is in tables; so each engine begins with none. But trainings of openGauss's models
 * go on from the last one, and people are told where its log is.
 */
static bool
is_working_file(const char *name)
{
	return strcmp(name, "opengauss") != 0;
}

static bool
prepare_directories(void)
{
	char		parent[MAXPGPATH];
	char		store[MAXPGPATH];
	uint64		name;

	snprintf(parent, MAXPGPATH, "%s/predictor", DataDir);
	if (MakePGDirectory(parent) != 0 && errno != EEXIST)
	{
		set_failure("directory \"%s\" cannot be made: %s", parent, strerror(errno));
		return false;
	}
	remove_directories(parent, is_leftover);
	snprintf(store, MAXPGPATH, "%s/store", parent);
	if (access(store, F_OK) == 0)
		remove_directories(store, is_working_file);
	if (!pg_strong_random(&name, sizeof(name)))
	{
		set_failure("no random numbers are to be had");
		return false;
	}
	snprintf(directory, MAXPGPATH, "%s/engine." UINT64_FORMAT, parent, name);
	return true;
}

/* ---- programs ---- */

/* Waits for a moment, a signal, or the end of a child. False: we are to end. */
static bool
wait_a_moment(long timeout_ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout_ms,
					 wait_event_keeper());
	ResetLatch(MyLatch);
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	return !ShutdownRequestPending;
}

/*
 * After a crash the engine of the keeper before ends by itself, and may not yet have: what it writes
 * meanwhile must not come into the next one's directory. It holds a lock on a file there.
 */
static bool
await_predecessor(void)
{
	char		path[MAXPGPATH];
	TimestampTz begin = GetCurrentTimestamp();
	bool		is_gone = false;
	int			fd;

	snprintf(path, MAXPGPATH, "%s/predictor/store/predictord.lock", DataDir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return true;
	while (!(is_gone = flock(fd, LOCK_EX | LOCK_NB) == 0) && wait_a_moment(20))
	{
		if (TimestampDifferenceExceeds(begin, GetCurrentTimestamp(), ENGINE_BEFORE_TIMEOUT_MS))
		{
			set_failure("the engine before it does not end");
			break;
		}
	}
	close(fd);
	return is_gone;
}

static bool
make_certificates(void)
{
	char		program[MAXPGPATH];
	const char *arguments[] = {program, "embedded", directory, NULL};
	ChildProgram tool = {arguments, log_file, 1, false};
	TimestampTz begin = GetCurrentTimestamp();

	program_path(program, "predictor-certs");
	if (!check_program(program) || !child_start(&tool, &child, failure, sizeof(failure)))
		return false;
	while (!child_ended(&child))
	{
		if (!wait_a_moment(100))
			return false;
		if (TimestampDifferenceExceeds(begin, GetCurrentTimestamp(), CERTIFICATES_TIMEOUT_MS))
		{
			set_failure("\"%s\" did not end within %d s", program, CERTIFICATES_TIMEOUT_MS / 1000);
			return false;
		}
	}
	if (child.wait_status == 0)
		return true;
	set_failure("\"%s\" made no certificates: %s", program, child_end_text(&child));
	quote_log();
	return false;
}

static bool
launch_engine(void)
{
	char		program[MAXPGPATH];
	char	   *threads = psprintf("%d", predictor_engine_threads);
	char	   *memory = psprintf("%d", predictor_engine_memory);
	char	   *store = psprintf("%s/predictor/store", DataDir);
	char	   *port_file = psprintf("%s/port", directory);
	const char *arguments[] = {
		program, "serve", "--listen", "127.0.0.1:0", "--data-dir", store, "--ca-dir", directory,
		"--port-file", port_file, "--exit-with-stdin", "--threads", threads, "--memory", memory, NULL
	};
	ChildProgram engine = {arguments, log_file, predictor_engine_threads, true};

	program_path(program, predictor_engine_program != NULL && predictor_engine_program[0] != '\0'
				 ? NULL : "predictord");
	return check_program(program) && child_start(&engine, &child, failure, sizeof(failure));
}

/* The port, once the engine has written HOST:PORT to its file; else 0. */
static int
read_port(void)
{
	char		path[MAXPGPATH + 8];
	char		text[128];
	char	   *colon;
	ssize_t		got;
	int			fd;

	snprintf(path, sizeof(path), "%s/port", directory);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	colon = strrchr(text, ':');
	return atoi(colon != NULL ? colon + 1 : text);
}

static bool
start_engine(void)
{
	TimestampTz begin = GetCurrentTimestamp();
	int			port;

	if (!launch_engine())
		return false;
	while ((port = read_port()) <= 0)
	{
		if (!wait_a_moment(20))
			return false;
		if (child_ended(&child))
			set_failure("%s before it was ready", child_end_text(&child));
		else if (TimestampDifferenceExceeds(begin, GetCurrentTimestamp(), START_TIMEOUT_MS))
			set_failure("it was not ready within %d s", START_TIMEOUT_MS / 1000);
		if (failure[0] != '\0')
		{
			quote_log();
			return false;
		}
	}
	publish_running(port);
	ereport(LOG, (errmsg("predictor started its engine on port %d with process ID %d", port, (int) child.pid)));
	return true;
}

static void
watch_engine(void)
{
	while (still_wanted())
	{
		if (!wait_a_moment(1000))
			return;
		if (child_ended(&child))
		{
			set_failure("%s", child_end_text(&child));
			quote_log();
			return;
		}
	}
}

void
predictor_keeper_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	child_install_handler();
	BackgroundWorkerUnblockSignals();
	if (!take_over())
		proc_exit(0);
	before_shmem_exit(leave, (Datum) 0);

	if (await_predecessor() && prepare_directories())
	{
		choose_log();
		if (make_certificates() && start_engine())
			watch_engine();
	}
	if (failure[0] != '\0')
		ereport(LOG, (errmsg("predictor's engine failed: %s", failure)));
	else
		ereport(LOG, (errmsg("predictor stops its engine, which nobody uses any more")));
	proc_exit(0);
}
