/*
 * hide_literals.h - a plan without the literals of its statement, for the deparser.
 */
#ifndef PREDICTOR_HIDE_LITERALS_H
#define PREDICTOR_HIDE_LITERALS_H

#include "postgres.h"

#include "nodes/plannodes.h"

/* What the deparser prints in a literal's place: no statement has so many parameters. */
#define HIDDEN_LITERAL_TEXT "$2147483647"

typedef struct HiddenPlan HiddenPlan;

/*
 * A copy of the plan in which every constant and every bound parameter is the same placeholder, all
 * of it in the current context. Raises what copying may raise.
 */
extern HiddenPlan *hide_literals(const PlannedStmt *statement);

extern PlannedStmt *hidden_statement(const HiddenPlan *hidden);

/* What a node of the statement has become in the copy; raises if it is not one of its nodes. */
extern Plan *hidden_plan(HiddenPlan *hidden, const Plan *plan);

#endif
