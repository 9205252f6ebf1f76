/*
 * serve.c - see serve.h.
 *
 * A backend maps the file of each model that it uses, read-only, and keeps the mapping until it finds
 * that another file has taken its place. The bytes were verified by the publisher; here they are only
 * laid out. Nothing in this file but serve_model()'s messages and its wait may raise.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "extension/compat.h"
#include "extension/directory.h"
#include "extension/limit.h"
#include "extension/memo.h"
#include "extension/serve.h"
#include "extension/settings.h"

#define PUBLICATION_TIMEOUT_MS 5000
#define WAIT_MS 10

DEFINE_WAIT_EVENT(wait_event_publication, "PredictorPublication")

/* A bundle that this backend has mapped; at most one for each model. */
typedef struct Mapping
{
	struct Mapping *next;
	pg_uuid_t	uuid;
	uint64		file;
	Size		size;
	void	   *bytes;
	ServedModel served;
} Mapping;

static Mapping *mappings = NULL;

static void
unmap(Mapping *mapping)
{
	Mapping   **link = &mappings;

	while (*link != NULL && *link != mapping)
		link = &(*link)->next;
	if (*link != NULL)
		*link = mapping->next;
	predictor_model_close(mapping->served.model);
	munmap(mapping->bytes, mapping->size);
	pfree(mapping);
}

/* Maps the file; NULL with errno if it cannot be had. */
static void *
map_file(const ServedEntry *entry)
{
	char		path[MAXPGPATH];
	struct stat status;
	void	   *bytes = MAP_FAILED;
	int			fd;

	directory_path(entry->database, entry->file, path);
	fd = BasicOpenFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0)
		return NULL;
	errno = EIO;
	if (fstat(fd, &status) == 0 && status.st_size == (off_t) entry->size)
		bytes = mmap(NULL, entry->size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return bytes == MAP_FAILED ? NULL : bytes;
}

/* Maps what the directory says; NULL with a text in `error`, empty if the file has just been replaced. */
static Mapping *
map(const ServedEntry *entry, char *error, size_t error_size)
{
	void	   *bytes = map_file(entry);
	Mapping    *mapping;

	error[0] = '\0';
	if (bytes == NULL)
	{
		if (errno != ENOENT)
			snprintf(error, error_size, "its file cannot be mapped: %s", strerror(errno));
		return NULL;
	}
	mapping = MemoryContextAllocExtended(TopMemoryContext, sizeof(Mapping),
										 MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);
	if (mapping == NULL)
		strlcpy(error, "out of memory", error_size);
	else
		mapping->served.model = predictor_model_attach(bytes, entry->size, error, error_size);
	if (mapping == NULL || mapping->served.model == NULL)
	{
		munmap(bytes, entry->size);
		if (mapping != NULL)
			pfree(mapping);
		return NULL;
	}
	mapping->uuid = entry->uuid;
	mapping->file = entry->file;
	mapping->size = entry->size;
	mapping->bytes = bytes;
	mapping->next = mappings;
	mappings = mapping;
	return mapping;
}

/* The mapping of the entry's file, made if need be; the one of an older file goes. */
static Mapping *
mapping_of(const ServedEntry *entry, char *error, size_t error_size)
{
	Mapping    *older = mappings;
	Mapping    *mapping;

	while (older != NULL && memcmp(&older->uuid, &entry->uuid, sizeof(pg_uuid_t)) != 0)
		older = older->next;
	if (older != NULL && older->file == entry->file)
		mapping = older;
	else
	{
		mapping = map(entry, error, error_size);
		if (mapping == NULL)
			return NULL;
		if (older != NULL)
			unmap(older);
	}
	mapping->served.name = entry->name;
	mapping->served.version = entry->version;
	mapping->served.generation = entry->file;
	mapping->served.uuid = entry->uuid;
	mapping->served.trained_at = entry->trained_at;
	mapping->served.calibration = entry->calibration;
	return mapping;
}

/* Mappings of models that are gone, that do not answer any more or have another file now, go. */
static void
sweep(bool conditional)
{
	Mapping    *next;

	for (Mapping *mapping = mappings; mapping != NULL; mapping = next)
	{
		ServedEntry entry;
		DirectoryResult result = directory_find_uuid(MyDatabaseId, &mapping->uuid, conditional, &entry);

		next = mapping->next;
		if (result == DIRECTORY_BUSY)
			return;
		if (result == DIRECTORY_NONE || entry.version == NO_VERSION || entry.file != mapping->file)
			unmap(mapping);
	}
}

/* Predictor's part in processing invalidations: a change of predictor.model asks for a publisher. */
static void
relation_invalidated(Datum arg, Oid relid)
{
	if (shared == NULL)
		return;
	limit_forget();
	memo_forget();
	if (OidIsValid(MyDatabaseId))
		shared_relation_invalidated(relid);
	else if (!OidIsValid(relid) || relid == SERVE_SHARED_RELATION)
		shared_models_invalidated();
}

void
serve_init(void)
{
	CacheRegisterRelcacheCallback(relation_invalidated, (Datum) 0);
}

/* A database that nobody has looked at yet has no key: constants then hash to nothing known. */
static void
set_key(ServedModel *served, bool conditional)
{
	if (!shared_database_key(&served->key, conditional))
		memset(&served->key, 0, sizeof(HashKey));
}

const ServedModel *
serve_ready_model(void)
{
	static uint64 seen = 0;		/* the directory when we last looked */
	static char seen_name[NAMEDATALEN];
	static Mapping *found = NULL;
	const char *name = predictor_default_model != NULL ? predictor_default_model : "";
	uint64		generation = directory_generation();
	ServedEntry entry;
	char		error[128];

	if (generation != seen || strcmp(name, seen_name) != 0)
	{
		sweep(true);
		switch (directory_find(name, true, &entry))
		{
			case DIRECTORY_BUSY:
				return NULL;
			case DIRECTORY_FOUND:
				found = entry.version == NO_VERSION ? NULL :
					mapping_of(&entry, error, sizeof(error));
				if (found == NULL && entry.version != NO_VERSION && error[0] == '\0')
				{
					seen = 0;	/* replaced just now: look again next time */
					return NULL;
				}
				break;
			default:
				found = NULL;
		}
		seen = generation;
		strlcpy(seen_name, name, sizeof(seen_name));
	}
	if (found == NULL)
	{
		/* somebody has to ask for a look at a database that nobody knows */
		HashKey		key;

		(void) shared_database_key(&key, true);
		return NULL;
	}
	set_key(&found->served, true);
	return &found->served;
}

/* ---- for EXPLAIN and predict() ---- */

/*
 * Waits until what was committed before is published, so that who trains or activates and then asks
 * gets the new version; but not for ever, and not twice for the same change.
 */
static void
await_publication(void)
{
	static uint32 given_up = 0;
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PUBLICATION_TIMEOUT_MS);
	uint32		ticket;

	if (!shared_publication_pending(&ticket) || ticket == given_up)
		return;
	while (!shared_is_published(ticket))
	{
		if (GetCurrentTimestamp() >= deadline)
		{
			given_up = ticket;
			return;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, WAIT_MS,
						 wait_event_publication());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Finds the entry that `name` or the settings mean; false with a problem if there is none. */
static bool
choose_model(const char *name, ServedEntry *entry, const char **problem, const char **hint)
{
	char	   *version;

	if ((name == NULL || name[0] == '\0') && predictor_default_model != NULL)
		name = predictor_default_model;
	switch (directory_find(name, false, entry))
	{
		case DIRECTORY_FOUND:
			return true;
		case DIRECTORY_SEVERAL:
			*problem = "there are several models in this database and none was named";
			*hint = "Name one, or set predictor.default_model.";
			return false;
		default:
			break;
	}
	if (!OidIsValid(get_extension_oid("predictor", true)))
	{
		*problem = "extension \"predictor\" is not installed in this database";
		*hint = "Run CREATE EXTENSION predictor.";
	}
	else if (!sql_version_is_known(&version))
	{
		*problem = psprintf(SQL_VERSION_PROBLEM, version);
		*hint = "Run ALTER EXTENSION predictor UPDATE.";
	}
	else if (name != NULL && name[0] != '\0')
	{
		*problem = psprintf("model \"%s\" does not exist", name);
		*hint = "predictor.models lists the models of this database; "
			"predictor.create_model() makes one.";
	}
	else
	{
		*problem = "there is no model in this database";
		*hint = "Make one with predictor.create_model() and train it with predictor.train().";
	}
	return false;
}

/* Why the model has no answer although it is there. */
static void
explain_silence(const ServedEntry *entry, const char *error, const char **problem, const char **hint)
{
	if (entry->active_version == NO_VERSION)
	{
		*problem = psprintf("model \"%s\" has not been trained", NameStr(entry->name));
		*hint = "Train it with predictor.train().";
		return;
	}
	*problem = psprintf("version %d of model \"%s\" cannot be used: %s", entry->active_version,
						NameStr(entry->name), entry->version == NO_VERSION ? entry->problem : error);
	*hint = "Activate another version with predictor.activate(), or train the model again.";
}

const ServedModel *
serve_model(const char *name, const char **problem, const char **hint)
{
	ServedEntry entry;
	Mapping    *mapping = NULL;
	char		error[128] = "";

	*problem = NULL;
	*hint = NULL;
	if (shared == NULL)
	{
		*problem = "predictor was not loaded when the server started";
		*hint = "Put shared_preload_libraries = 'predictor' into postgresql.conf and restart.";
		return NULL;
	}
	await_publication();
	sweep(false);
	/* A file that was replaced between looking and mapping is worth another look, but not for ever. */
	for (int tries = 0; mapping == NULL && error[0] == '\0' && tries < 10; tries++)
	{
		if (!choose_model(name, &entry, problem, hint))
			return NULL;
		if (entry.version == NO_VERSION)
			break;
		mapping = mapping_of(&entry, error, sizeof(error));
	}
	if (mapping == NULL)
	{
		explain_silence(&entry, error[0] != '\0' ? error : "its file is missing", problem, hint);
		return NULL;
	}
	set_key(&mapping->served, false);
	return &mapping->served;
}

/* ---- answers ---- */

/* Multiplies the times by the factor of live calibration. */
static void
calibrate(double factor, PredictorNodePrediction *nodes, int count, PredictorPlanPrediction *plan)
{
	for (int i = 0; i < count; i++)
	{
		nodes[i].startup_ms *= factor;
		nodes[i].total_ms *= factor;
		nodes[i].low_ms *= factor;
		nodes[i].high_ms *= factor;
	}
	plan->total_ms *= factor;
	plan->low_ms *= factor;
	plan->high_ms *= factor;
}

/* Fills the answers for a record; false if there is no memory to work in. */
static bool
predict_record(const ServedModel *model, const PredictorRecord *record, MemoryContext context,
			   PredictorNodePrediction *nodes, PredictorPlanPrediction *plan)
{
	Size		size = predictor_model_workspace(model->model, record->node_count) + 16;
	void	   *workspace = MemoryContextAllocExtended(context, size,
													   MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);

	if (workspace == NULL)
		return false;
	predictor_model_predict(model->model, record, (void *) TYPEALIGN(16, (uintptr_t) workspace),
							nodes, plan);
	pfree(workspace);
	if (predictor_live_calibration && model->calibration != 1)
		calibrate(model->calibration, nodes, record->node_count, plan);
	shared_count(COUNTER_PREDICTIONS);
	return true;
}

Answer *
serve_predict(const ServedModel *model, QueryDesc *queryDesc, MemoryContext context,
			  const char **problem)
{
	bool		too_large = false;
	Extract    *extract = extract_plan(queryDesc, &model->key, context, &too_large);
	Answer	   *answer = NULL;

	if (extract != NULL)
		answer = MemoryContextAllocExtended(context, MAXALIGN(sizeof(Answer)) +
											extract->record.node_count * sizeof(PredictorNodePrediction),
											MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);
	if (answer != NULL)
	{
		answer->nodes = (PredictorNodePrediction *) ((char *) answer + MAXALIGN(sizeof(Answer)));
		if (!predict_record(model, &extract->record, context, answer->nodes, &answer->plan))
			answer = NULL;
	}
	if (answer == NULL)
	{
		*problem = too_large ? "the plan has more than " CppAsString2(PREDICTOR_MAX_NODES) " nodes" :
			"out of memory";
		return NULL;
	}
	*problem = NULL;
	answer->model = model->name;
	answer->version = model->version;
	answer->trained_at = model->trained_at;
	answer->node_count = extract->record.node_count;
	answer->extract = extract;
	return answer;
}

/* The whole answer for a record; false if there is no memory to work in. */
static bool
predict_whole(const ServedModel *model, const PredictorRecord *record, MemoryContext context,
			  WholeAnswer *answer)
{
	Size		size = sizeof(PredictorNodePrediction) * record->node_count;
	PredictorNodePrediction *nodes = MemoryContextAllocExtended(context, size,
																MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
	bool		done = nodes != NULL && predict_record(model, record, context, nodes, &answer->plan);

	if (done)
		answer->startup_ms = nodes[0].startup_ms;
	if (nodes != NULL)
		pfree(nodes);
	return done;
}

void
serve_annotate(PredictorRecord *record, const QueryDesc *queryDesc)
{
	PredictorStatement *statement = &record->statement;
	const ServedModel *model = predictor_predict_all ? serve_ready_model() : NULL;
	WholeAnswer answer;
	uint64		key;

	if (model == NULL)
		return;
	key = memo_key(model, queryDesc);
	if (!memo_find(key, &answer))
	{
		if (!predict_whole(model, record, queryDesc->estate->es_query_cxt, &answer))
			return;
		memo_put(key, &answer);
	}
	statement->predicted_total = answer.plan.total_ms;
	statement->predicted_low = answer.plan.low_ms;
	statement->predicted_high = answer.plan.high_ms;
	statement->predicted_version = model->version;
	statement->predicted_model = (uint64) directory_model_key(&model->uuid);
	statement->predicted_source = answer.plan.source |
		(answer.plan.out_of_distribution ? PREDICTOR_OUT_OF_DISTRIBUTION : 0);
}
