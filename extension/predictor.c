/*
 * predictor.c - loads the module: settings, and, when the server preloads it, shared memory, hooks
 * and the launcher.
 *
 * Loaded later, by the first call of a function, it has no shared memory: then nothing is captured,
 * and every function that needs it says what to put into postgresql.conf.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#if PG_VERSION_NUM >= 160000
#include "nodes/queryjumble.h"
#else
#include "utils/queryjumble.h"
#endif

#include "extension/capture.h"
#include "extension/database_commands.h"
#include "extension/explain.h"
#include "extension/limit.h"
#include "extension/serve.h"
#include "extension/settings.h"
#include "extension/shared.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	settings_define();
	if (!process_shared_preload_libraries_in_progress)
		return;
	EnableQueryId();
	shared_request();
	/* pg_upgrade starts the new cluster only to fill it: nothing to see, nothing to start */
	if (IsBinaryUpgrade)
		return;
	capture_init();
	database_commands_init();
	limit_init();
	explain_init();
	serve_init();
	launcher_register();
}
