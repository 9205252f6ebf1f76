/*
 * sql_version.c - see sql_version.h.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "extension/sql_version.h"

static const char *const known_versions[] = {"1.0"};

/* The version of the extension in this database; NULL: it is not there. */
static char *
read_version(void)
{
	Relation	extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("predictor"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(extensions), &isnull);

		version = isnull ? pstrdup("") : TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return version;
}

bool
sql_version_is_known(char **version)
{
	char	   *found = read_version();

	if (version != NULL)
		*version = found;
	for (int i = 0; found != NULL && i < lengthof(known_versions); i++)
		if (strcmp(found, known_versions[i]) == 0)
			return true;
	return found == NULL;
}

void
sql_version_require(void)
{
	char	   *version;

	if (sql_version_is_known(&version))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg(SQL_VERSION_PROBLEM, version),
			 errdetail("It works with version %s.", known_versions[lengthof(known_versions) - 1]),
			 errhint("Run ALTER EXTENSION predictor UPDATE; if that does not lead there, install the library of version %s.",
					 version)));
}

TupleDesc
sql_row_type(FunctionCallInfo fcinfo)
{
	TupleDesc	tupdesc;

	sql_version_require();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(tupdesc);
}
