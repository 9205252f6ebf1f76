/*
 * capture.h - the executor hooks that turn finished statements into aggregates and records.
 */
#ifndef PREDICTOR_CAPTURE_H
#define PREDICTOR_CAPTURE_H

#include "postgres.h"

#include "nodes/plannodes.h"

/* Installs the executor hooks; from _PG_init() while shared_preload_libraries are loaded. */
extern void capture_init(void);

/*
 * The running statements call one of our own functions: their time is our doing and teaches nothing,
 * so they are not recorded. Does nothing where nothing is captured.
 */
extern void capture_forget(void);

/*
 * What runs between enter and leave is inside something else (a DO block, planning): it is not at
 * the top for predictor.track. enter returns what leave wants back.
 */
extern int	capture_enter_nested(void);
extern void capture_leave_nested(int level);

/* How deep inside other statements we are; 0: at the top. */
extern int	capture_nesting_level(void);

/* Is this a query that ALTER TABLE runs of its own accord, to validate a foreign key? */
extern bool capture_is_altering_table(void);

/* Installs the hooks that know when that is (capture_nesting.c). */
extern void capture_nesting_init(void);

/*
 * How long this plan took to make, in milliseconds; NaN if it is not the one made last. Says so once:
 * a plan that is executed again was not made for that.
 */
extern double capture_take_planning_time(const PlannedStmt *statement);

#endif
