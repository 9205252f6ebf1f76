/*
 * settings.c - the GUCs.
 *
 * What reaches the network or the disk can be set in files only; what changes what is captured is
 * the superuser's; the choice of a model is everyone's.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "extension/passphrase.h"
#include "extension/settings.h"

bool		predictor_enabled = true;
bool		predictor_auto_train = true;
int			predictor_capture = CAPTURE_OPERATORS;
int			predictor_track = TRACK_TOP;
double		predictor_operator_sample_rate = 0.01;
double		predictor_min_duration = 0;
int			predictor_max_captures_per_second = 100;
int			predictor_max_plans = 8192;
int			predictor_fail_allocations = 0;
int			predictor_ring_size = 16384;
int			predictor_queue_size = 16384;
int			predictor_max_workers = 2;
int			predictor_flush_interval = 2000;
int			predictor_max_history = 200000;
int			predictor_retention = 90 * 24 * 60;
int			predictor_training_plans = 50000;
int			predictor_max_trainings = 1;
char	   *predictor_default_model = NULL;
bool		predictor_predict_all = true;
bool		predictor_live_calibration = false;
double		predictor_max_predicted_time = 0;
double		predictor_limit_quantile = 0.5;
int			predictor_limit_action = LIMIT_LOG;
bool		predictor_limit_unreliable = false;
bool		predictor_limit_nested = false;
bool		predictor_limit_superusers = false;
char	   *predictor_engine_url = NULL;
char	   *predictor_engine_program = NULL;
int			predictor_explain_style = EXPLAIN_OUR_WAY;
bool		predictor_opengauss_capture = false;
char	   *predictor_opengauss_engines = NULL;
char	   *predictor_ssl_ca_file = NULL;
char	   *predictor_ssl_crl_file = NULL;
char	   *predictor_ssl_cert_file = NULL;
char	   *predictor_ssl_key_file = NULL;
char	   *predictor_ssl_passphrase_command = NULL;
int			predictor_connect_timeout = 2000;
int			predictor_engine_idle_timeout = 60;
int			predictor_engine_threads = 1;
int			predictor_engine_memory = 2048;

static const struct config_enum_entry explain_styles[] = {
	{"predictor", EXPLAIN_OUR_WAY, false},
	{"opengauss", EXPLAIN_LIKE_OPENGAUSS, false},
	{NULL, 0, false}
};

static const struct config_enum_entry capture_levels[] = {
	{"off", CAPTURE_OFF, false},
	{"statement", CAPTURE_STATEMENT, false},
	{"rows", CAPTURE_ROWS, false},
	{"operators", CAPTURE_OPERATORS, false},
	{NULL, 0, false}
};

static const struct config_enum_entry track_levels[] = {
	{"top", TRACK_TOP, false},
	{"all", TRACK_ALL, false},
	{NULL, 0, false}
};

static const struct config_enum_entry limit_actions[] = {
	{"log", LIMIT_LOG, false},
	{"warning", LIMIT_WARNING, false},
	{"error", LIMIT_ERROR, false},
	{NULL, 0, false}
};

static bool
check_addresses(char **newval, void **extra, GucSource source)
{
	char	   *list = pstrdup(*newval);
	List	   *addresses;

	if (SplitGUCList(list, ',', &addresses))
		return true;
	GUC_check_errdetail("A list of HOST:PORT, separated by commas, is expected.");
	return false;
}

static void
define_prediction_settings(void)
{
	DefineCustomStringVariable("predictor.default_model",
							   "Model that answers where none is named.",
							   "Empty: the only model of the database, if there is just one.",
							   &predictor_default_model, "", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("predictor.predict_all",
							 "Whether records of statements carry the default model's prediction.",
							 "predictor.accuracy compares it with what they took.",
							 &predictor_predict_all, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("predictor.live_calibration",
							 "Whether predicted times follow a drift of the actual ones between trainings.",
							 "By one factor for each model version, at most 4 and at least 1/4.",
							 &predictor_live_calibration, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("predictor.explain_style",
							 "How EXPLAIN (PREDICTOR) prints: our way, or as openGauss does.",
							 "With openGauss's style a model of opengauss.gs_opt_model is preferred.",
							 &predictor_explain_style, EXPLAIN_OUR_WAY, explain_styles,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("predictor.max_predicted_time",
							 "Limit of the time that a statement may be predicted to take; 0: none.",
							 NULL, &predictor_max_predicted_time, 0, 0, INT_MAX,
							 PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomRealVariable("predictor.limit_quantile",
							 "Quantile of the predicted time that the limit looks at.",
							 NULL, &predictor_limit_quantile, 0.5, 0.05, 0.95,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("predictor.limit_action",
							 "What happens to a statement beyond predictor.max_predicted_time.",
							 NULL, &predictor_limit_action, LIMIT_LOG, limit_actions,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("predictor.limit_unreliable",
							 "Whether a prediction out of distribution may do more than be logged by the limit.",
							 NULL, &predictor_limit_unreliable, false, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("predictor.limit_nested",
							 "Whether the limit judges statements inside functions and procedures too.",
							 NULL, &predictor_limit_nested, false, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("predictor.limit_superusers",
							 "Whether the limit judges sessions of superusers too.",
							 NULL, &predictor_limit_superusers, false, PGC_SUSET, 0, NULL, NULL, NULL);
}

static void
define_capture_settings(void)
{
	DefineCustomBoolVariable("predictor.enabled",
							 "Turns everything Predictor does in this session on or off.",
							 NULL, &predictor_enabled, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("predictor.capture",
							 "How much is recorded of statements.",
							 "\"operators\" adds times of each plan node to the sampled ones, "
							 "\"rows\" their rows alone.",
							 &predictor_capture, CAPTURE_OPERATORS, capture_levels,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("predictor.track",
							 "Whether statements inside functions are recorded too.",
							 NULL, &predictor_track, TRACK_TOP, track_levels,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("predictor.operator_sample_rate",
							 "Share of the recorded statements whose plan nodes are measured.",
							 "Timers slow down what they measure; 0.01 is not noticed.",
							 &predictor_operator_sample_rate, 0.01, 0, 1,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("predictor.min_duration",
							 "Statements shorter than this are not recorded.",
							 NULL, &predictor_min_duration, 0, 0, INT_MAX,
							 PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("predictor.max_captures_per_second",
							"Most statements that the whole server records in a second.",
							NULL, &predictor_max_captures_per_second, 100, 0, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("predictor.flush_interval",
							"Longest time that a record waits before a worker stores it.",
							NULL, &predictor_flush_interval, 2000, 10, 3600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("predictor.max_workers",
							"Most workers that store records or train at one time.",
							NULL, &predictor_max_workers, 2, 1, 64,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("predictor.queue_size",
							"Memory for records that wait for a worker.",
							NULL, &predictor_queue_size, 16384, 1024, 1048576,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("predictor.max_history",
							"About how many records each database keeps.",
							NULL, &predictor_max_history, 200000, 1000, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("predictor.retention",
							"How long records are kept; 0 keeps them until max_history is reached.",
							NULL, &predictor_retention, 90 * 24 * 60, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	/* for tests: shows that no statement fails when our memory cannot be had */
	DefineCustomIntVariable("predictor.fail_allocations",
							"Makes Predictor's own allocations fail: -1 all, n the n-th from now.",
							NULL, &predictor_fail_allocations, 0, -1, INT_MAX,
							PGC_SUSET, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}

/* What sizes shared memory. */
static void
define_memory_settings(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("predictor.max_plans",
							"How many plans are known by their aggregated times.",
							NULL, &predictor_max_plans, 8192, 64, 10000000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("predictor.ring_size",
							"Shared memory for records on their way to the launcher.",
							NULL, &predictor_ring_size, 16384, 256, 1048576,
							PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
}

static bool
check_passphrase_command(char **value, void **extra, GucSource source)
{
	if (passphrase_command_is_valid(*value))
		return true;
	GUC_check_errdetail("The command may contain %%p, which is a prompt, and %%%%, and no other percent sign.");
	return false;
}

static void
define_path(const char *name, const char *description, char **variable, const char *value)
{
	DefineCustomStringVariable(name, description, NULL, variable, value,
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

static void
define_engine_settings(void)
{
	DefineCustomIntVariable("predictor.training_plans",
							"Most records that one training reads, the newest first.",
							NULL, &predictor_training_plans, 50000, 10, 10000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("predictor.auto_train",
							 "Trains models by themselves when they are due for it.",
							 "Of the models that have auto_train set; predictor.training_due() lists those that are due.",
							 &predictor_auto_train, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("predictor.max_trainings",
							"Most trainings of the whole server at one time.",
							"They leave at least one of predictor.max_workers to what stores records.",
							&predictor_max_trainings, 1, 1, 16,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	define_path("predictor.engine_url",
				"Where the engine listens, or several, the preferred one first; empty: the server starts one itself.",
				&predictor_engine_url, "");
	define_path("predictor.engine_program",
				"The engine's program; empty: predictord beside the server's own programs.",
				&predictor_engine_program, "");
	define_path("predictor.ssl_ca_file",
				"Certificate authority that the engine's certificate must come from.",
				&predictor_ssl_ca_file, "predictor/ca.crt");
	define_path("predictor.ssl_crl_file",
				"Revocation list of engines' certificates; empty: none is looked at.",
				&predictor_ssl_crl_file, "");
	define_path("predictor.ssl_cert_file",
				"Certificate that this server shows to the engine.",
				&predictor_ssl_cert_file, "predictor/client.crt");
	define_path("predictor.ssl_key_file",
				"Private key of predictor.ssl_cert_file.",
				&predictor_ssl_key_file, "predictor/client.key");
	DefineCustomStringVariable("predictor.ssl_passphrase_command",
							   "Command that prints the passphrase of predictor.ssl_key_file.",
							   NULL, &predictor_ssl_passphrase_command, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_passphrase_command, NULL, NULL);
	DefineCustomBoolVariable("predictor.opengauss_capture",
							 "Records carry openGauss's 12-bit hashes of the texts of conditions and target lists.",
							 "And openGauss's views show these texts without literals. Without it they and the encodings have hashes of the conditions' shapes.",
							 &predictor_opengauss_capture, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("predictor.opengauss_engines",
							   "Addresses, IP:PORT, that rows of opengauss.gs_opt_model may name as their engine.",
							   "Only in the configuration file: who can name an address makes the server connect to it.",
							   &predictor_opengauss_engines, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY | GUC_DISALLOW_IN_AUTO_FILE,
							   check_addresses, NULL, NULL);
	DefineCustomIntVariable("predictor.connect_timeout",
							"Longest time to wait for a connection to the engine.",
							NULL, &predictor_connect_timeout, 2000, 10, 600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("predictor.engine_idle_timeout",
							"How long the server's own engine stays after its last work.",
							NULL, &predictor_engine_idle_timeout, 60, 1, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("predictor.engine_threads",
							"Threads with which the server's own engine trains.",
							NULL, &predictor_engine_threads, 1, 1, 256,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("predictor.engine_memory",
							"Most memory that the server's own engine may use.",
							NULL, &predictor_engine_memory, 2048, 512, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
}

void
settings_define(void)
{
	define_capture_settings();
	define_memory_settings();
	define_engine_settings();
	define_prediction_settings();
#if PG_VERSION_NUM >= 150000
	MarkGUCPrefixReserved("predictor");
#else
	EmitWarningsOnPlaceholders("predictor");
#endif
}
