/*
 * capture_statements.c - see capture_statements.h.
 */
#include "postgres.h"

#include "access/xact.h"

#include "extension/capture.h"
#include "extension/capture_statements.h"
#include "extension/shared.h"

/* More statements than this, one inside the other or open at a time, are not all tracked. */
#define MAX_STATEMENTS 32

static Statement statements[MAX_STATEMENTS];
static int	used = 0;			/* all entries in use are below this */

Statement *
find_statement(const QueryDesc *queryDesc)
{
	for (int i = used - 1; i >= 0; i--)
		if (statements[i].queryDesc == queryDesc)
			return &statements[i];
	return NULL;
}

void
release_statement(Statement *statement)
{
	if (statement == NULL)
		return;
	statement->queryDesc = NULL;
	while (used > 0 && statements[used - 1].queryDesc == NULL)
		used--;
}

Statement *
take_statement(QueryDesc *queryDesc)
{
	static int	next_victim = 0;
	Statement  *statement = NULL;

	if (used < MAX_STATEMENTS)
		statement = &statements[used++];
	for (int i = 0; i < MAX_STATEMENTS && statement == NULL; i++)
	{
		Statement  *victim = &statements[next_victim];

		next_victim = (next_victim + 1) % MAX_STATEMENTS;
		if (!victim->running)
			statement = victim;
	}
	if (statement != NULL)
	{
		memset(statement, 0, offsetof(Statement, client));
		statement->queryDesc = queryDesc;
	}
	return statement;
}

bool
have_statements(void)
{
	return used > 0;
}

static void
at_transaction_end(XactEvent event, void *argument)
{
	aggregates_settle();
	shared_settle_counts();
	/* A procedure may commit while the statement around it runs on. */
	if (capture_nesting_level() == 0)
		used = 0;
}

void
capture_forget(void)
{
	for (int i = 0; i < used; i++)
		statements[i].forgotten = true;
}

void
capture_statements_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
}
