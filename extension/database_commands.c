/*
 * database_commands.c - DROP DATABASE and its kin do not wait for our workers.
 *
 * PostgreSQL gives such a command five seconds in which all other sessions of the database must have
 * left. So while it runs, the database is paused: the launcher ends the workers that are there, puts
 * back into the queue what they had not stored, and starts none. A pause is given back when the
 * command ends in whatever way, or with its backend.
 *
 * And ALTER EXTENSION predictor UPDATE makes our workers look at the database again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"

#include "extension/database_commands.h"
#include "extension/shared.h"
#include "extension/utility_chain.h"

static ProcessUtility_hook_type previous_utility = NULL;

static const char *
string_option(List *options, const char *name, const char *otherwise)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return otherwise;
}

/* The database that the command wants without sessions, or NULL. */
static const char *
emptied_database(Node *command)
{
	switch (nodeTag(command))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) command)->dbname;
		case T_CreatedbStmt:
			return string_option(((CreatedbStmt *) command)->options, "template", "template1");
		case T_RenameStmt:
			return ((RenameStmt *) command)->renameType == OBJECT_DATABASE ?
				((RenameStmt *) command)->subname : NULL;
		case T_AlterDatabaseStmt:
			return string_option(((AlterDatabaseStmt *) command)->options, "tablespace", NULL) != NULL ?
				((AlterDatabaseStmt *) command)->dbname : NULL;
		default:
			return NULL;
	}
}

/* ALTER EXTENSION predictor UPDATE: its version may be one that we work with now, or no longer. */
static bool
is_update(Node *command)
{
	return IsA(command, AlterExtensionStmt) && strcmp(((AlterExtensionStmt *) command)->extname, "predictor") == 0;
}

static void
resume(int code, Datum argument)
{
	shared_resume_databases();
}

static void
pausing_ProcessUtility(UTILITY_PARAMS)
{
	const char *name;
	Oid			database;

	if (is_update(pstmt->utilityStmt))
	{
		utility_next(previous_utility, UTILITY_ARGS);
		announce_models(get_namespace_oid("predictor", true));
		return;
	}
	name = emptied_database(pstmt->utilityStmt);
	database = name != NULL && IsTransactionState() ? get_database_oid(name, true) : InvalidOid;
	if (!OidIsValid(database))
	{
		utility_next(previous_utility, UTILITY_ARGS);
		return;
	}
	PG_ENSURE_ERROR_CLEANUP(resume, (Datum) 0);
	{
		shared_pause_database(database);
		utility_next(previous_utility, UTILITY_ARGS);
	}
	PG_END_ENSURE_ERROR_CLEANUP(resume, (Datum) 0);
	shared_resume_databases();
}

void
database_commands_init(void)
{
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = pausing_ProcessUtility;
}
