/*
 * engine_links.c - see engine_links.h.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "extension/engine_links.h"
#include "extension/settings.h"

#define FIRST_PAUSE_MS 5000
#define LONGEST_PAUSE_MS (10 * 60 * 1000)
#define SEPARATORS " ,\t\n"

/* The begin of the n-th URL in the setting, and its length; NULL if there are not so many. */
static const char *
find_url(int number, size_t *length)
{
	const char *at = predictor_engine_url != NULL ? predictor_engine_url : "";

	for (;;)
	{
		at += strspn(at, SEPARATORS);
		*length = strcspn(at, SEPARATORS);
		if (*length == 0)
			return NULL;
		if (number-- == 0)
			return at;
		at += *length;
	}
}

int
engine_links_count(void)
{
	size_t		length;
	int			count = 0;

	while (count < PREDICTOR_MAX_ENGINES && find_url(count, &length) != NULL)
		count++;
	return count;
}

void
engine_links_url(int number, char *url, size_t size)
{
	size_t		length;
	const char *begin = find_url(number, &length);

	url[0] = '\0';
	if (begin == NULL)
		return;
	while (length > 0 && begin[length - 1] == '/')
		length--;
	strlcpy(url, begin, Min(size, length + 1));
}

/* The link's place, or a new one in that of the link that changed longest ago. Needs the lock. */
static EngineLink *
find_link(const char *url, bool create)
{
	EngineLink *oldest = &shared->engines[0];

	for (int i = 0; i < PREDICTOR_MAX_ENGINES; i++)
	{
		EngineLink *link = &shared->engines[i];

		if (strcmp(link->url, url) == 0)
			return link;
		if (link->changed_at < oldest->changed_at)
			oldest = link;
	}
	if (!create)
		return NULL;
	memset(oldest, 0, sizeof(*oldest));
	strlcpy(oldest->url, url, sizeof(oldest->url));
	return oldest;
}

EngineLink
engine_links_state(const char *url)
{
	EngineLink	state = {{0}};
	EngineLink *link;

	LWLockAcquire(shared->lock, LW_SHARED);
	link = find_link(url, false);
	if (link != NULL)
		state = *link;
	LWLockRelease(shared->lock);
	return state;
}

void
engine_links_choose(const char *preferred, char *url, size_t size)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz earliest = DT_NOEND;
	int			count = engine_links_count();

	url[0] = '\0';
	for (int i = 0; i < count; i++)
	{
		char		candidate[MAXPGPATH];
		EngineLink	link;

		engine_links_url(i, candidate, sizeof(candidate));
		link = engine_links_state(candidate);
		if (link.not_before <= now && preferred != NULL && strcmp(candidate, preferred) == 0)
		{
			strlcpy(url, candidate, size);
			return;
		}
		/* all that may be used now are equal: the first of them stays */
		if (Max(link.not_before, now) < earliest)
		{
			earliest = Max(link.not_before, now);
			strlcpy(url, candidate, size);
		}
	}
}

void
engine_links_note(const char *url, EngineLinkState state, const char *text)
{
	TimestampTz now = GetCurrentTimestamp();
	EngineLink *link;
	char		cut[PREDICTOR_LINK_TEXT];
	int			length = pg_mbcliplen(text, strlen(text), sizeof(cut) - 1);

	memcpy(cut, text, length);
	cut[length] = '\0';
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	link = find_link(url, true);
	link->state = state;
	link->changed_at = now;
	strlcpy(state == ENGINE_LINK_REACHABLE ? link->version : link->error, cut, sizeof(cut));
	if (state == ENGINE_LINK_REACHABLE)
	{
		link->failures = 0;
		link->not_before = 0;
		link->error[0] = '\0';
	}
	else
	{
		int64		pause = FIRST_PAUSE_MS;

		link->failures++;
		for (int i = 1; i < link->failures && pause < LONGEST_PAUSE_MS; i++)
			pause *= 2;
		link->not_before = TimestampTzPlusMilliseconds(now, Min(pause, LONGEST_PAUSE_MS));
	}
	LWLockRelease(shared->lock);
}

const char *
engine_link_state_text(EngineLinkState state)
{
	static const char *const texts[] = {
		[ENGINE_LINK_CONFIGURED] = "configured",
		[ENGINE_LINK_REACHABLE] = "reachable",
		[ENGINE_LINK_UNREACHABLE] = "unreachable",
		[ENGINE_LINK_INCOMPATIBLE] = "incompatible",
	};

	return texts[state];
}

static void
read_identity(const EngineTarget *target, Jsonb *facts, EngineIdentity *identity)
{
	char	   *name = engine_json_text(facts, "name");
	JsonbValue	templates;

	identity->api = (int) engine_json_integer(facts, "api", 0);
	identity->version = engine_json_text(facts, "version");
	identity->device = engine_json_text(facts, "device");
	if (getKeyJsonValueFromContainer(&facts->root, "templates", strlen("templates"), &templates) != NULL &&
		templates.type == jbvBinary)
		identity->templates = JsonbToCString(NULL, templates.val.binary.data, templates.val.binary.len);
	if (name != NULL && strcmp(name, "predictord") == 0 && identity->api == ENGINE_API_VERSION)
	{
		identity->state = ENGINE_LINK_REACHABLE;
		return;
	}
	identity->state = ENGINE_LINK_INCOMPATIBLE;
	identity->sqlstate = ERRCODE_FEATURE_NOT_SUPPORTED;
	identity->error = psprintf("engine at %s speaks version %d of the protocol, and this server version %d",
							   target->url, identity->api, ENGINE_API_VERSION);
	identity->hint = pstrdup("Install predictord and the extension from the same release.");
}

void
engine_identify(const EngineTarget *target, const EngineReply *reply, EngineIdentity *identity)
{
	MemoryContext context = CurrentMemoryContext;

	memset(identity, 0, sizeof(*identity));
	/* What the engine refused, or what is no JSON, is told by raising; here it is a fact like others. */
	PG_TRY();
	{
		engine_require_answer(target, reply);
		read_identity(target, engine_json(target, reply), identity);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		/* 503: busy, or about to be there */
		identity->state = reply->status == 0 || reply->status == 503 ? ENGINE_LINK_UNREACHABLE : ENGINE_LINK_INCOMPATIBLE;
		identity->sqlstate = error->sqlerrcode;
		identity->error = error->message;
		identity->hint = error->hint;
	}
	PG_END_TRY();
	if (!target->embedded)
		engine_links_note(target->url, identity->state,
						  identity->state == ENGINE_LINK_REACHABLE
						  ? (identity->version != NULL ? identity->version : "") : identity->error);
}
