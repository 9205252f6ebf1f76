/*
 * child_process.c - fork and exec from a worker; see child_process.h.
 *
 * Between fork and exec the child is still a copy of a PostgreSQL process, attached to its shared
 * memory. So all signals are blocked across the fork, the child restores their defaults before it
 * unblocks them, calls nothing but async-signal-safe functions, and leaves by exec or _exit().
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "utils/timestamp.h"

#include "extension/compat.h"
#include "worker/child_process.h"

/* Where the child finds the pipe on which it reports why it could not start. */
#define REPORT_FD 3

#define NICENESS 10

/* How often an ending child is looked at, though its end sets the latch. */
#define STOP_STEP_MS 20

DEFINE_WAIT_EVENT(wait_event_child, "PredictorChildEnd")

static void
handle_child_end(SIGNAL_ARGS)
{
	int			save_errno = errno;

	SetLatch(MyLatch);
	errno = save_errno;
}

void
child_install_handler(void)
{
	pqsignal(SIGCHLD, handle_child_end);
}

/*
 * Only what programs need to run at all, and the choice of a GPU. One BLAS thread, as the engine
 * wants it: more of them get into the way of its own.
 */
static char **
make_environment(int threads)
{
	static const char *const inherited[] = {"TZ", "CUDA_VISIBLE_DEVICES"};
	char	  **environment = palloc0(sizeof(char *) * 8);
	int			count = 0;

	environment[count++] = pstrdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	environment[count++] = pstrdup("LC_ALL=C");
	environment[count++] = pstrdup("HOME=/");
	environment[count++] = pstrdup("OPENBLAS_NUM_THREADS=1");
	environment[count++] = psprintf("OMP_NUM_THREADS=%d", threads);
	for (int i = 0; i < lengthof(inherited); i++)
		if (getenv(inherited[i]) != NULL)
			environment[count++] = psprintf("%s=%s", inherited[i], getenv(inherited[i]));
	return environment;
}

/* Closes everything from `first` on. */
static void
close_all_from(int first, int limit)
{
#if defined(__linux__) && defined(SYS_close_range)
	if (syscall(SYS_close_range, (unsigned) first, ~0U, 0) == 0)
		return;
#endif
	for (int fd = first; fd < limit; fd++)
		close(fd);
}

/* The kernel kills us first when memory runs out; without /proc it does as it likes. */
static void
volunteer_as_victim(void)
{
#ifdef __linux__
	int			fd = open("/proc/self/oom_score_adj", O_WRONLY);

	if (fd >= 0)
	{
		if (write(fd, "1000", 4) < 0)
			errno = 0;
		close(fd);
	}
#endif
}

/* The child's side. Async-signal-safe calls only. */
static void
become_program(const ChildProgram *program, char *const *environment, int input, int log, int report,
			   int fd_limit)
{
	struct sigaction action;
	sigset_t	none;
	int			error;

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_DFL;
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	setpgid(0, 0);
#ifdef __linux__
	/* In addition to the end of its input, which it may be too busy to see. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
	umask(077);
	if (program->low_priority)
	{
		setpriority(PRIO_PROCESS, 0, NICENESS);
		volunteer_as_victim();
	}

	/* The copies lie below all of the originals but, at most, their own place. */
	if (dup2(input, STDIN_FILENO) >= 0 && dup2(log, STDOUT_FILENO) >= 0 &&
		dup2(log, STDERR_FILENO) >= 0 && dup2(report, REPORT_FD) >= 0)
	{
		fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC);
		close_all_from(REPORT_FD + 1, fd_limit);
		execve(program->arguments[0], (char *const *) program->arguments, environment);
		report = REPORT_FD;
	}
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

static void
close_pair(int *pair)
{
	close(pair[0]);
	close(pair[1]);
}

/* Forks; returns the pid, or -1 with errno. */
static pid_t
fork_program(const ChildProgram *program, int input, int log, int report)
{
	char	  **environment = make_environment(program->threads);
	long		fd_limit = sysconf(_SC_OPEN_MAX);
	sigset_t	all;
	sigset_t	before;
	pid_t		pid;
	int			save_errno;

	fflush(NULL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		become_program(program, environment, input, log, report, fd_limit > 0 ? (int) fd_limit : 1024);
	save_errno = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = save_errno;
	return pid;
}

/* Waits for the exec: nothing comes if it worked, else the reason. Takes as long as an exec does. */
static int
read_report(int report)
{
	int			error = 0;
	ssize_t		got;

	do
		got = read(report, &error, sizeof(error));
	while (got < 0 && errno == EINTR);
	return got == sizeof(error) ? error : 0;
}

bool
child_start(const ChildProgram *program, ChildProcess *child, char *error, size_t error_size)
{
	int			input[2];
	int			report[2];
	int			log;
	int			problem;

	memset(child, 0, sizeof(*child));
	child->input = -1;
	log = open(program->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (log < 0)
	{
		snprintf(error, error_size, "could not open log file \"%s\": %s", program->log_file, strerror(errno));
		return false;
	}
	if (pipe(input) != 0)
	{
		snprintf(error, error_size, "could not create a pipe: %s", strerror(errno));
		close(log);
		return false;
	}
	if (pipe(report) != 0)
	{
		snprintf(error, error_size, "could not create a pipe: %s", strerror(errno));
		close_pair(input);
		close(log);
		return false;
	}
	fcntl(input[1], F_SETFD, FD_CLOEXEC);
	fcntl(report[0], F_SETFD, FD_CLOEXEC);

	child->pid = fork_program(program, input[0], log, report[1]);
	problem = child->pid < 0 ? errno : 0;
	close(report[1]);
	close(input[0]);
	close(log);
	if (child->pid > 0)
		problem = read_report(report[0]);
	close(report[0]);
	child->input = input[1];
	if (problem == 0)
		return true;

	snprintf(error, error_size, "could not run \"%s\": %s", program->arguments[0], strerror(problem));
	if (child->pid < 0)
	{
		child->pid = 0;
		close(child->input);
	}
	else
		child_stop(child, 0, 0);
	return false;
}

bool
child_ended(ChildProcess *child)
{
	pid_t		got;

	if (child->pid == 0)
		return true;
	do
		got = waitpid(child->pid, &child->wait_status, WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return false;
	child->pid = 0;
	if (child->input >= 0)
		close(child->input);
	child->input = -1;
	return true;
}

char *
child_end_text(const ChildProcess *child)
{
	if (WIFEXITED(child->wait_status))
		return psprintf("it ended with exit code %d", WEXITSTATUS(child->wait_status));
	return psprintf("it was ended by signal %d (%s)", WTERMSIG(child->wait_status),
					pg_strsignal(WTERMSIG(child->wait_status)));
}

void
child_stop(ChildProcess *child, int terminate_after_ms, int kill_after_ms)
{
	TimestampTz begin = GetCurrentTimestamp();
	bool		terminated = false;

	if (child->pid == 0)
		return;
	if (child->input >= 0)
		close(child->input);
	child->input = -1;
	while (!child_ended(child))
	{
		bool		alone = !PostmasterIsAlive();
		long		waited_ms = TimestampDifferenceMilliseconds(begin, GetCurrentTimestamp());

		if (!terminated && (waited_ms >= terminate_after_ms || alone))
		{
			kill(-child->pid, SIGTERM);
			terminated = true;
		}
		if (waited_ms >= kill_after_ms || (alone && waited_ms >= 1000))
			kill(-child->pid, SIGKILL);
		if (alone)
			pg_usleep(STOP_STEP_MS * 1000L);
		else
		{
			ResetLatch(MyLatch);
			if (child_ended(child))
				break;
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH, STOP_STEP_MS,
							 wait_event_child());
		}
	}
}
