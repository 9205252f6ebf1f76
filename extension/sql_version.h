/*
 * sql_version.h - does this library work with the SQL of the database's extension?
 *
 * Library and SQL are updated apart: the library for all databases when the server restarts, the SQL
 * of each database when somebody runs ALTER EXTENSION predictor UPDATE. In between, and after a
 * library was put back, they differ. sql_version.c lists the versions of the SQL that this library
 * works with: a release keeps those of earlier ones in the list for as long as the tables and
 * functions that it uses have not changed, and tests them.
 *
 * Where it does not work with them, nothing is recorded and no model answers, as without the
 * extension; workers say so in the log, and our functions raise with the next step.
 */
#ifndef PREDICTOR_SQL_VERSION_H
#define PREDICTOR_SQL_VERSION_H

#include "postgres.h"

#include "fmgr.h"
#include "access/tupdesc.h"

/*
 * In a transaction. Without the extension there is nothing that could not be worked with. Otherwise
 * *version (palloc), if wanted, is the one of this database.
 */
extern bool sql_version_is_known(char **version);

/* What to say where it is not: of the version. */
#define SQL_VERSION_PROBLEM "the library of extension \"predictor\" does not work with version %s of its SQL"

/* Raises unless it is. */
extern void sql_version_require(void);

/* The row type of the SQL function that was called; requires a known version, which makes it the right one. */
extern TupleDesc sql_row_type(FunctionCallInfo fcinfo);

#endif
