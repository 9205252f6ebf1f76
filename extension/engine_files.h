/*
 * engine_files.h - the files by which server and engine trust each other, as they are found before
 * each request: may the key be used, has anything changed since the last request, does anything end
 * soon. Nothing of it needs a reload or a restart.
 *
 * engine_files_prepare() is called by extension/engine_client.c alone, engine_files_watch() by the
 * launcher.
 */
#ifndef PREDICTOR_ENGINE_FILES_H
#define PREDICTOR_ENGINE_FILES_H

#include "extension/engine_client.h"

/*
 * Fills the request's file names and passphrase. False: the key cannot be used, and the reply's
 * problem and *cause say why. Closes the connection of earlier requests if it was made with other
 * files. May wait for the passphrase command, and so raise.
 */
extern bool engine_files_prepare(const EngineTarget *target, EngineHttpRequest *request,
								 EngineReply *reply, const char **cause);

/* Names the configured files; relative paths begin at the data directory. */
extern void engine_files_configured(EngineTarget *target);

/* Once a day, a WARNING for each configured file that ends within 30 days. */
extern void engine_files_watch(void);

#endif
