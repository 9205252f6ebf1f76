/*
 * passphrase.c - see passphrase.h.
 *
 * The server has a function for this, but up to 18 it runs the server's own command only, and waits
 * in a way that holds up DROP DATABASE. The shell tells its process ID in its first line of output,
 * so that a command that hangs can be killed: the stream alone gives no way to.
 */
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "extension/compat.h"
#include "extension/passphrase.h"

#define PASSPHRASE_TIMEOUT_MS 30000
#define PROMPT "Enter PEM pass phrase:"

DEFINE_WAIT_EVENT(wait_event_passphrase, "PredictorPassphrase")

/* What the command has printed so far: its process ID, a line break, the passphrase. */
typedef struct Output
{
	char		text[PASSPHRASE_SIZE + 32];
	size_t		length;
	bool		ended;
} Output;

bool
passphrase_command_is_valid(const char *command)
{
	for (const char *c = command; *c != '\0'; c++)
	{
		if (*c != '%')
			continue;
		c++;
		if (*c != 'p' && *c != '%')
			return false;
	}
	return true;
}

static char *
expand(const char *command)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "echo $$\n");
	for (const char *c = command; *c != '\0'; c++)
	{
		if (*c != '%')
			appendStringInfoChar(&text, *c);
		else if (*++c == 'p')
			appendStringInfoString(&text, PROMPT);
		else
			appendStringInfoChar(&text, '%');
	}
	return text.data;
}

/* Reads what there is, waiting for it; false when the time is over or it is too much. */
static bool
read_more(FILE *stream, Output *output, TimestampTz end)
{
	long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);
	int			occurred;
	ssize_t		got;

	if (left <= 0 || output->length >= sizeof(output->text) - 1)
		return false;
	occurred = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
								 fileno(stream), left, wait_event_passphrase());
	if (occurred & WL_LATCH_SET)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	if (!(occurred & WL_SOCKET_READABLE))
		return true;
	got = read(fileno(stream), output->text + output->length, sizeof(output->text) - 1 - output->length);
	if (got < 0)
		return errno == EINTR;
	output->ended = got == 0;
	output->length += got;
	return true;
}

static void
kill_command(const Output *output)
{
	int			pid = atoi(output->text);

	if (strchr(output->text, '\n') != NULL && pid > 1)
		kill(pid, SIGKILL);
}

/* Waits for its end: at once after the end of its output, or when it was killed. */
static bool
take_result(FILE *stream, const Output *output, char *passphrase, char **cause)
{
	const char *start = strchr(output->text, '\n');
	size_t		length;
	int			status = ClosePipeStream(stream);

	if (status != 0)
	{
		*cause = psprintf("predictor.ssl_passphrase_command failed: %s", wait_result_to_str(status));
		return false;
	}
	start = start != NULL ? start + 1 : "";
	length = strcspn(start, "\n");
	while (length > 0 && start[length - 1] == '\r')
		length--;
	if (length >= PASSPHRASE_SIZE)
		length = PASSPHRASE_SIZE - 1;
	memcpy(passphrase, start, length);
	passphrase[length] = '\0';
	return true;
}

bool
passphrase_run(const char *command, char *passphrase, char **cause)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PASSPHRASE_TIMEOUT_MS);
	Output		output = {{0}};
	FILE	   *volatile stream;
	volatile bool whole = true;
	bool		worked = false;

	stream = OpenPipeStream(expand(command), "r");
	if (stream == NULL)
	{
		*cause = psprintf("predictor.ssl_passphrase_command could not be run: %s", strerror(errno));
		return false;
	}
	PG_TRY();
	{
		while (whole && !output.ended)
			whole = read_more((FILE *) stream, &output, end);
		if (whole)
		{
			FILE	   *whole_stream = (FILE *) stream;

			stream = NULL;
			worked = take_result(whole_stream, &output, passphrase, cause);
		}
		else
			*cause = psprintf("predictor.ssl_passphrase_command printed too much, or did not end within %d s",
							  PASSPHRASE_TIMEOUT_MS / 1000);
	}
	PG_FINALLY();
	{
		if (stream != NULL)
		{
			kill_command(&output);
			ClosePipeStream((FILE *) stream);
		}
		explicit_bzero(&output, sizeof(output));
	}
	PG_END_TRY();
	return worked;
}
