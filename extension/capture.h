/*
 * capture.h - the executor hooks that turn finished statements into records.
 */
#ifndef PREDICTOR_CAPTURE_H
#define PREDICTOR_CAPTURE_H

/* Installs the executor hooks; from _PG_init() while shared_preload_libraries are loaded. */
extern void capture_init(void);

#endif
