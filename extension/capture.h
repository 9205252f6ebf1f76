/*
 * capture.h - the executor hooks that turn finished statements into records.
 */
#ifndef PREDICTOR_CAPTURE_H
#define PREDICTOR_CAPTURE_H

/* Installs the executor hooks; from _PG_init() while shared_preload_libraries are loaded. */
extern void capture_init(void);

/*
 * The running statement calls one of our own functions: its time is our doing and teaches nothing,
 * so it is not recorded. Does nothing where nothing is captured.
 */
extern void capture_forget(void);

#endif
