/*
 * worker.c - what the workers that are connected to a database have in common.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "tcop/tcopprot.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "extension/sql_version.h"
#include "worker/worker.h"

static void
pin(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

void
worker_connect(Oid database, const char *application_name)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	/* the database's settings may say otherwise */
	pin("role", "none");
	pin("application_name", application_name);
	pin("synchronous_commit", "off");
	pin("default_transaction_read_only", "off");
	pin("default_transaction_isolation", "read committed");
	pin("statement_timeout", "0");
#if PG_VERSION_NUM >= 170000
	pin("transaction_timeout", "0");
#endif
	pin("lock_timeout", "0");
	pin("idle_in_transaction_session_timeout", "0");
	pin("jit", "off");
	pin("search_path", "pg_catalog, pg_temp");
	pin("session_replication_role", "origin");
}

/* Says so, each time that a worker looks, if the library does not work with the database's SQL. */
static bool
check_sql_version(void)
{
	char	   *version;

	if (sql_version_is_known(&version))
		return true;
	ereport(WARNING,
			(errmsg("predictor does nothing in database \"%s\": the library does not work with version %s of the SQL",
					get_database_name(MyDatabaseId), version),
			 errhint("Run ALTER EXTENSION predictor UPDATE there.")));
	return false;
}

bool
worker_hold_extension(const char *const *names)
{
	Oid			extension = get_extension_oid("predictor", true);
	Oid			schema;

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	/* it may have been dropped, and even created again, while we waited */
	if (get_extension_oid("predictor", true) != extension || !check_sql_version())
		return false;
	schema = get_namespace_oid("predictor", true);
	for (; OidIsValid(schema) && *names != NULL; names++)
	{
		Oid			relation = get_relname_relid(*names, schema);

		if (!OidIsValid(relation) ||
			getExtensionOfObject(RelationRelationId, relation) != extension)
			return false;
	}
	return OidIsValid(schema);
}

void
worker_begin(const char *activity)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
}

void
worker_commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	/* so that autovacuum learns of what was written */
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
}
