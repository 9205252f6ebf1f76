/*
 * child_process.h - programs that a worker runs: started with nothing of PostgreSQL's but a log to
 * write to, and never left behind.
 */
#ifndef PREDICTOR_CHILD_PROCESS_H
#define PREDICTOR_CHILD_PROCESS_H

#include "postgres.h"

typedef struct ChildProgram
{
	const char *const *arguments;	/* [0] is the program's absolute path; NULL at the end */
	const char *log_file;		/* gets what it prints */
	int			threads;		/* that it computes with */
	bool		low_priority;	/* nice, and the first victim when memory runs out */
} ChildProgram;

typedef struct ChildProcess
{
	pid_t		pid;			/* 0: none */
	int			input;			/* our end of its standard input; closing it tells it to end */
	int			wait_status;	/* of waitpid(), once it ended */
} ChildProcess;

/* Wakes the process latch when a child ends; call before child_start(). */
extern void child_install_handler(void);

/*
 * Starts a program with its standard input held open by us. The environment is a clean one, signals
 * are at their defaults, and it leads a process group of its own. False and a text in `error` if it
 * could not be started.
 */
extern bool child_start(const ChildProgram *program, ChildProcess *child, char *error, size_t error_size);

/* Has it ended? Does not wait. */
extern bool child_ended(ChildProcess *child);

/* How it ended; palloc'ed. */
extern char *child_end_text(const ChildProcess *child);

/*
 * Ends it: closes its input, and if that is not enough sends SIGTERM and then SIGKILL to its process
 * group. Waits until it is gone. Harmless if there is none. Raises nothing.
 */
extern void child_stop(ChildProcess *child, int terminate_after_ms, int kill_after_ms);

#endif
