/*
 * serve.c - see serve.h. Reads predictor.model and predictor.model_version directly, not through
 * SQL: what a model says about a statement needs no right but those of the statement itself.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "extension/compat.h"
#include "extension/serve.h"
#include "extension/settings.h"

/* Columns of the tables as predictor--1.0.sql makes them. */
enum
{
	MODEL_NAME = 1,
	MODEL_UUID = 2,
	MODEL_ACTIVE_VERSION = 5,
	VERSION_MODEL = 1,
	VERSION_NUMBER = 2,
	VERSION_BUNDLE = 15
};

#define SCHEMA_NAME "predictor"

/* A bundle that this backend holds; one for each model that it used, the newest version. */
typedef struct CacheEntry
{
	struct CacheEntry *next;
	pg_uuid_t	uuid;
	MemoryContext context;		/* owns this entry and the bundle's bytes */
	ServedModel served;
} CacheEntry;

static CacheEntry *cache = NULL;

typedef struct ModelRow
{
	NameData	name;
	pg_uuid_t	uuid;
	int			active_version; /* -1: none */
	int			matches;		/* rows that fit */
} ModelRow;

/*
 * Opens a table of the extension. Anyone may make a relation of such a name where the extension is
 * not installed: only a table that belongs to it is ours to read.
 */
static Relation
open_table(const char *name)
{
	Oid			extension = get_extension_oid("predictor", true);
	Oid			schema = OidIsValid(extension) ? get_namespace_oid(SCHEMA_NAME, true) : InvalidOid;
	Oid			table = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(table) || get_rel_relkind(table) != RELKIND_RELATION ||
		getExtensionOfObject(RelationRelationId, table) != extension)
		return NULL;
	return table_open(table, AccessShareLock);
}

/* Finds the named model, or counts them all and returns the last if `name` is NULL. */
static bool
read_model(const char *name, ModelRow *row)
{
	Relation	table = open_table("model");
	SysScanDesc scan;
	HeapTuple	tuple;

	memset(row, 0, sizeof(*row));
	if (table == NULL)
		return false;
	scan = systable_beginscan(table, InvalidOid, false, GetActiveSnapshot(), 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Name		found = DatumGetName(heap_getattr(tuple, MODEL_NAME, table->rd_att, &isnull));
		Datum		version;

		if (name != NULL && strcmp(NameStr(*found), name) != 0)
			continue;
		row->name = *found;
		row->uuid = *DatumGetUUIDP(heap_getattr(tuple, MODEL_UUID, table->rd_att, &isnull));
		version = heap_getattr(tuple, MODEL_ACTIVE_VERSION, table->rd_att, &isnull);
		row->active_version = isnull ? -1 : DatumGetInt32(version);
		row->matches++;
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return true;
}

/* The bundle's bytes in `context`, aligned to 8; NULL if the version is not there. */
static char *
read_bundle(const pg_uuid_t *uuid, int version, MemoryContext context, Size *size)
{
	Relation	table = open_table("model_version");
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *bytes = NULL;

	if (table == NULL)
		return NULL;
	scan = systable_beginscan(table, InvalidOid, false, GetActiveSnapshot(), 0, NULL);
	while (bytes == NULL && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		stored;
		bytea	   *bundle;

		if (DatumGetInt32(heap_getattr(tuple, VERSION_NUMBER, table->rd_att, &isnull)) != version ||
			memcmp(DatumGetUUIDP(heap_getattr(tuple, VERSION_MODEL, table->rd_att, &isnull)),
				   uuid, sizeof(pg_uuid_t)) != 0)
			continue;
		stored = heap_getattr(tuple, VERSION_BUNDLE, table->rd_att, &isnull);
		bundle = DatumGetByteaPP(stored);
		*size = VARSIZE_ANY_EXHDR(bundle);
		bytes = MemoryContextAlloc(context, Max(*size, 1));
		memcpy(bytes, VARDATA_ANY(bundle), *size);
		if ((Pointer) bundle != DatumGetPointer(stored))
			pfree(bundle);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return bytes;
}

static void
forget(CacheEntry *entry)
{
	CacheEntry **link = &cache;

	while (*link != NULL && *link != entry)
		link = &(*link)->next;
	if (*link != NULL)
		*link = entry->next;
	predictor_model_close(entry->served.model);
	MemoryContextDelete(entry->context);
}

static CacheEntry *
load(const ModelRow *row, const char **problem)
{
	/* becomes permanent at the end, so that an error on the way leaves nothing behind */
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "predictor bundle",
												  ALLOCSET_SMALL_SIZES);
	CacheEntry *entry = MemoryContextAllocZero(context, sizeof(CacheEntry));
	char		error[128];
	Size		size = 0;
	char	   *bytes;

	entry->context = context;
	entry->uuid = row->uuid;
	entry->served.name = row->name;
	entry->served.version = row->active_version;
	bytes = read_bundle(&row->uuid, row->active_version, context, &size);
	if (bytes != NULL)
		entry->served.model = predictor_model_open(bytes, size, error, sizeof(error));
	if (entry->served.model == NULL)
	{
		*problem = psprintf("version %d of model \"%s\" cannot be used: %s", row->active_version,
							NameStr(row->name), bytes == NULL ? "its bundle is missing" : error);
		MemoryContextDelete(context);
		return NULL;
	}
	MemoryContextSetParent(context, TopMemoryContext);
	entry->next = cache;
	cache = entry;
	return entry;
}

/* Finds the row that `name` or the settings mean; false with a problem if there is none. */
static bool
choose_model(const char *name, ModelRow *row, const char **problem, const char **hint)
{
	bool		named = name != NULL && name[0] != '\0';

	if (!named && predictor_default_model != NULL && predictor_default_model[0] != '\0')
	{
		name = predictor_default_model;
		named = true;
	}
	if (!read_model(named ? name : NULL, row))
	{
		*problem = "extension \"predictor\" is not installed in this database";
		*hint = "Run CREATE EXTENSION predictor.";
		return false;
	}
	if (row->matches == 1)
		return true;
	if (named)
	{
		*problem = psprintf("model \"%s\" does not exist", name);
		*hint = "predictor.models lists the models of this database; "
			"predictor.create_model() makes one.";
	}
	else if (row->matches == 0)
	{
		*problem = "there is no model in this database";
		*hint = "Make one with predictor.create_model() and train it with predictor.train().";
	}
	else
	{
		*problem = "there are several models in this database and none was named";
		*hint = "Name one, or set predictor.default_model.";
	}
	return false;
}

const ServedModel *
serve_model(const char *name, const char **problem, const char **hint)
{
	ModelRow	row;
	CacheEntry *entry;

	*problem = NULL;
	*hint = NULL;
	if (shared == NULL)
	{
		*problem = "predictor was not loaded when the server started";
		*hint = "Put shared_preload_libraries = 'predictor' into postgresql.conf and restart.";
		return NULL;
	}
	if (!choose_model(name, &row, problem, hint))
		return NULL;
	if (row.active_version < 0)
	{
		*problem = psprintf("model \"%s\" has not been trained", NameStr(row.name));
		*hint = "Train it with predictor.train().";
		return NULL;
	}
	for (entry = cache; entry != NULL; entry = entry->next)
		if (memcmp(&entry->uuid, &row.uuid, sizeof(pg_uuid_t)) == 0)
			break;
	if (entry != NULL && entry->served.version != row.active_version)
	{
		forget(entry);
		entry = NULL;
	}
	if (entry == NULL)
		entry = load(&row, problem);
	if (entry == NULL)
	{
		*hint = "Activate another version with predictor.activate(), or train the model again.";
		return NULL;
	}
	/* a database that nobody has looked at yet has no key: constants then hash to nothing known */
	if (!shared_database_key(&entry->served.key, false))
		memset(&entry->served.key, 0, sizeof(HashKey));
	return &entry->served;
}

Answer *
serve_predict(const ServedModel *model, QueryDesc *queryDesc, MemoryContext context,
			  const char **problem)
{
	bool		too_large = false;
	Extract    *extract = extract_plan(queryDesc, &model->key, context, &too_large);
	Answer	   *answer = NULL;
	void	   *workspace = NULL;
	int			count;

	*problem = NULL;
	if (extract != NULL)
	{
		count = extract->record.node_count;
		answer = MemoryContextAllocExtended(context, MAXALIGN(sizeof(Answer)) +
											count * sizeof(PredictorNodePrediction),
											MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);
		workspace = MemoryContextAllocExtended(context,
											   predictor_model_workspace(model->model, count) + 16,
											   MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
	}
	if (answer == NULL || workspace == NULL)
	{
		*problem = too_large ? "the plan has too many nodes" : "out of memory";
		return NULL;
	}
	answer->model = model->name;
	answer->version = model->version;
	answer->node_count = count;
	answer->extract = extract;
	answer->nodes = (PredictorNodePrediction *) ((char *) answer + MAXALIGN(sizeof(Answer)));
	predictor_model_predict(model->model, &extract->record,
							(void *) TYPEALIGN(16, (uintptr_t) workspace),
							answer->nodes, &answer->plan);
	pfree(workspace);
	shared_count(COUNTER_PREDICTIONS);
	return answer;
}
