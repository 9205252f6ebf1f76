/*
 * capture_nesting.c - what is not at the top although no ExecutorRun is around it: statements inside
 * DO, CALL and other commands, and those that planning runs to fold constants. Times planning on
 * the way.
 */
#include "postgres.h"

#include <math.h>

#include "nodes/parsenodes.h"
#include "optimizer/planner.h"

#include "extension/capture.h"
#include "extension/compat.h"
#include "extension/settings.h"
#include "extension/utility_chain.h"

static ProcessUtility_hook_type previous_utility = NULL;
static planner_hook_type previous_planner = NULL;

/* The plan made last. Plan caches copy plans, so it is known by its numbers, not by its address. */
static struct
{
	uint64		query_id;
	double		total_cost;
	double		milliseconds;
	bool		valid;
}			last_plan;

static int	nesting_level = 0;
static int	alter_table_level = -1; /* the level of what an ALTER TABLE runs itself; -1: there is none */

int
capture_nesting_level(void)
{
	return nesting_level;
}

int
capture_enter_nested(void)
{
	return nesting_level++;
}

void
capture_leave_nested(int level)
{
	nesting_level = level;
}

bool
capture_is_altering_table(void)
{
	return nesting_level == alter_table_level;
}

/* Is the statement in this command the user's own, as opposed to one that the command runs inside? */
static bool
carries_statement(Node *command)
{
	switch (nodeTag(command))
	{
		case T_ExplainStmt:
		case T_ExecuteStmt:
		case T_PrepareStmt:
		case T_CreateTableAsStmt:
		case T_RefreshMatViewStmt:
		case T_DeclareCursorStmt:
		case T_FetchStmt:
		case T_ClosePortalStmt:
		case T_CopyStmt:
			return true;
		default:
			return false;
	}
}

static void
nesting_ProcessUtility(UTILITY_PARAMS)
{
	int			outer = alter_table_level;
	int			level;

	if (!predictor_enabled || carries_statement(pstmt->utilityStmt))
	{
		utility_next(previous_utility, UTILITY_ARGS);
		return;
	}
	level = capture_enter_nested();
	alter_table_level = IsA(pstmt->utilityStmt, AlterTableStmt) ? nesting_level : -1;
	PG_TRY();
	{
		utility_next(previous_utility, UTILITY_ARGS);
	}
	PG_FINALLY();
	{
		alter_table_level = outer;
		capture_leave_nested(level);
	}
	PG_END_TRY();
}

static PlannedStmt *
chain_planner(Query *parse, const char *query, int options, ParamListInfo params)
{
	if (previous_planner)
		return previous_planner(parse, query, options, params);
	return standard_planner(parse, query, options, params);
}

static PlannedStmt *
nesting_planner(Query *parse, const char *query, int options, ParamListInfo params)
{
	PlannedStmt *statement;
	uint64		started;
	int			level;

	if (!predictor_enabled)
		return chain_planner(parse, query, options, params);
	started = clock_nanoseconds();
	level = capture_enter_nested();
	PG_TRY();
	{
		statement = chain_planner(parse, query, options, params);
	}
	PG_FINALLY();
	{
		capture_leave_nested(level);
	}
	PG_END_TRY();
	last_plan.query_id = statement->queryId;
	last_plan.total_cost = statement->planTree != NULL ? statement->planTree->total_cost : 0;
	last_plan.milliseconds = (clock_nanoseconds() - started) / 1e6;
	last_plan.valid = true;
	return statement;
}

double
capture_take_planning_time(const PlannedStmt *statement)
{
	bool		is_last = last_plan.valid && last_plan.query_id == statement->queryId &&
		last_plan.total_cost == statement->planTree->total_cost;

	last_plan.valid = false;
	return is_last ? last_plan.milliseconds : NAN;
}

void
capture_nesting_init(void)
{
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = nesting_ProcessUtility;
	previous_planner = planner_hook;
	planner_hook = nesting_planner;
}
