/*
 * passphrase.h - runs predictor.ssl_passphrase_command.
 */
#ifndef PREDICTOR_PASSPHRASE_H
#define PREDICTOR_PASSPHRASE_H

#include "postgres.h"

/* What OpenSSL takes of a passphrase, and the NUL. */
#define PASSPHRASE_SIZE 1025

/* Is this a command whose percent signs are all %p or %%? */
extern bool passphrase_command_is_valid(const char *command);

/*
 * Runs the command with the semantics of PostgreSQL's ssl_passphrase_command and puts the first line
 * that it prints, without the line break, into `passphrase`. False with a palloc'ed *cause if it
 * fails. Waits on the latch, for 30 s at most, and so may raise; the command is then killed.
 */
extern bool passphrase_run(const char *command, char *passphrase, char **cause);

#endif
