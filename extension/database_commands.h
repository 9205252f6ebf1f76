/*
 * database_commands.h - commands that need a database to be empty of sessions.
 */
#ifndef PREDICTOR_DATABASE_COMMANDS_H
#define PREDICTOR_DATABASE_COMMANDS_H

/* Installs the hook; from _PG_init() while shared_preload_libraries are loaded. */
extern void database_commands_init(void);

#endif
