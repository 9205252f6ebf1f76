#include <iostream>

#include "engine/ctl/commands.h"

namespace predictor::engine::ctl {
namespace {

enum class Level { kOk, kWarning, kError };

// Prints findings as they come, and remembers the worst.
class Report {
 public:
  void say(Level level, const std::string& subject, const std::string& text,
           const std::string& next_step = "") {
    static const char* const kNames[] = {"ok     ", "warning", "ERROR  "};
    std::cout << kNames[static_cast<int>(level)] << ' ' << subject << ": " << text << '\n';
    if (level != Level::kOk && !next_step.empty()) std::cout << "        -> " << next_step << '\n';
    if (level > worst_) worst_ = level;
  }
  int status() const { return static_cast<int>(worst_); }

 private:
  Level worst_ = Level::kOk;
};

// A check is a query whose rows are findings: level (0, 1, 2), text, next step.
struct Check {
  const char* subject;
  const char* sql;
};

constexpr Check kChecks[] = {
    {"extension",
     "SELECT CASE WHEN e.extversion <> a.default_version THEN 1 ELSE 0 END,"
     " format('version %s, on PostgreSQL %s', e.extversion, current_setting('server_version')),"
     " 'ALTER EXTENSION predictor UPDATE; the files are of version ' || a.default_version"
     " FROM pg_extension e LEFT JOIN pg_available_extensions a ON a.name = e.extname"
     " WHERE e.extname = 'predictor'"},
    {"query ids",
     "SELECT CASE WHEN current_setting('compute_query_id') = 'off' THEN 1 ELSE 0 END,"
     " 'compute_query_id is ' || current_setting('compute_query_id'),"
     " 'set compute_query_id = auto, so that statements can be told apart by what they ask'"},
    {"capture",
     "SELECT CASE WHEN current_setting('predictor.enabled') = 'on'"
     " AND current_setting('predictor.capture') <> 'off' THEN 0 ELSE 1 END,"
     " format('predictor.enabled is %s, predictor.capture is %s', "
     "current_setting('predictor.enabled'),"
     " current_setting('predictor.capture')), 'nothing is recorded: turn both on'"},
    {"workers",
     "SELECT CASE WHEN processes < workers + 3 THEN 1 ELSE 0 END,"
     " format('max_worker_processes is %s; predictor may want %s of them', processes, workers + 3),"
     " 'raise max_worker_processes and restart the server, or lower predictor.max_workers'"
     " FROM (SELECT current_setting('max_worker_processes')::integer AS processes,"
     " current_setting('predictor.max_workers')::integer AS workers) s"},
    {"settings",
     "SELECT 1, format('%s waits for a restart of the server', name), 'restart it' FROM pg_settings"
     " WHERE pending_restart AND (name LIKE 'predictor.%' OR name = ANY "
     "('{shared_preload_libraries,max_worker_processes}'))"},
    {"permissions",
     "SELECT CASE WHEN grantee = 0 OR relname = 'hash_key' THEN 2 ELSE 1 END,"
     " format('%s may %s predictor.%s', coalesce(pg_get_userbyid(NULLIF(grantee, 0)), 'everybody'),"
     " string_agg(privilege_type, ', ' ORDER BY privilege_type), relname),"
     " 'tables are the workers'' alone: REVOKE it; predictor.grant_admin() gives what is needed'"
     " FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'predictor'::regnamespace"
     " AND c.relkind = ANY ('{r,p}'::\"char\"[]) AND a.grantee <> c.relowner"
     " GROUP BY grantee, relname"},
    {"recovery",
     "SELECT 0, CASE WHEN pg_is_in_recovery() THEN 'a standby: predicts, records nothing, trains "
     "nothing'"
     " ELSE 'a primary' END, ''"},
    {"launcher",
     "SELECT CASE WHEN count(*) > 0 THEN 0 ELSE 2 END,"
     " CASE WHEN count(*) > 0 THEN 'runs' ELSE 'does not run' END,"
     " 'the server''s log says why; raise max_worker_processes (' || "
     "current_setting('max_worker_processes')"
     " || ') and restart' FROM pg_stat_activity WHERE backend_type = 'predictor launcher'"},
    {"ring and queues",
     "SELECT CASE WHEN dropped > 0.01 * greatest(captured, 100) THEN 1 ELSE 0 END,"
     " format('%s records captured, %s lost on their way', captured, dropped),"
     " 'predictor.stat says where; raise predictor.ring_size, predictor.queue_size or "
     "predictor.max_workers'"
     " FROM (SELECT coalesce(sum(value) FILTER (WHERE name = 'captured'), 0) AS captured,"
     " coalesce(sum(value) FILTER (WHERE name = ANY "
     "('{dropped_ring_full,dropped_queue_full,dropped_by_worker,"
     "dropped_no_memory}')), 0) AS dropped FROM predictor.stat) s"},
    {"storing",
     "SELECT CASE WHEN value > 0 THEN 1 ELSE 0 END, format('%s transactions of workers failed', "
     "value),"
     " 'the server''s log says why' FROM predictor.stat WHERE name = 'flush_failures'"},
    {"history",
     "SELECT CASE WHEN count(*) < 100 THEN 1 ELSE 0 END,"
     " format('%s executions, the newest of %s; %s', count(*), coalesce(to_char(max(finished_at),"
     " 'YYYY-MM-DD HH24:MI'), 'never'), (SELECT pg_size_pretty(sum(pg_total_relation_size(c.oid)))"
     " FROM pg_class c WHERE c.relnamespace = 'predictor'::regnamespace AND c.relkind = 'r')),"
     " 'run statements, or predictorctl import; a model learns from 100 on' FROM "
     "predictor.executions"},
    {"publications",
     "SELECT 1, format('publication %s is FOR ALL TABLES', pubname),"
     " 'predictor''s tables go to its subscribers as well; list the tables instead if they shall "
     "not'"
     " FROM pg_publication WHERE puballtables"},
    {"models",
     "SELECT 1, 'there is none', 'SELECT predictor.create_model(''NAME'')' WHERE NOT EXISTS"
     " (SELECT FROM predictor.models)"},
    {"model",
     "SELECT CASE WHEN m.active_version IS NULL THEN 2 WHEN m.versions = 0 AND NOT m.auto_train "
     "THEN 1"
     " WHEN now() - m.trained_at > 2 * m.max_age THEN 1 ELSE 0 END,"
     " format('%s: %s, %s', m.name, coalesce('version ' || m.active_version || ' answers', 'no "
     "version answers'),"
     " CASE WHEN m.active_version > 0 THEN 'trained ' || to_char(m.trained_at, 'YYYY-MM-DD "
     "HH24:MI')"
     " ELSE 'not trained' END), CASE WHEN m.active_version IS NULL THEN 'predictor.activate() one, "
     "or train it'"
     " WHEN m.auto_train THEN 'its trainings fail or nothing new is recorded: "
     "predictor.training_jobs'"
     " ELSE 'train it: predictorctl train ' || m.name END FROM predictor.models m ORDER BY m.name"},
    {"training",
     "SELECT 1, format('the last training of %s failed: %s', model, error),"
     " 'predictor.training_jobs; docs/engine-link.md explains the messages' FROM"
     " (SELECT DISTINCT ON (model) * FROM predictor.training_jobs WHERE state IN ('done', 'failed')"
     " ORDER BY model, requested_at DESC) t WHERE state = 'failed'"},
    {"serving",
     "SELECT 2, format('model %s: %s', model, problem), 'activate another version, or train it'"
     " FROM predictor.serving WHERE problem IS NOT NULL"},
    {"engine",
     "SELECT CASE WHEN state = 'failed' THEN 1 ELSE 0 END,"
     " format('%s, %s%s', CASE WHEN embedded THEN 'the server''s own' ELSE url END, state,"
     " coalesce(': ' || error, '')), 'its log, and docs/engine-link.md, say more' FROM "
     "predictor.engine"},
    {"certificates",
     "SELECT CASE WHEN days < 0 THEN 2 WHEN days < 30 THEN 1 ELSE 0 END,"
     " CASE WHEN days < 0 THEN format('%s has expired', what) ELSE format('%s: %s days left', "
     "what, days) END,"
     " 'docs/tls.md: predictor-certs renew' FROM predictor.engine e,"
     " LATERAL (VALUES ('the server''s certificate', e.certificate_days_left), ('the authority',"
     " e.authority_days_left), ('the revocation list', e.crl_days_left)) v (what, days)"
     " WHERE NOT e.embedded AND days IS NOT NULL"},
};

constexpr Check kEngineCheck = {
    "engine answers",
    "SELECT CASE WHEN state = 'reachable' THEN 0 ELSE 2 END,"
    " CASE WHEN state = 'reachable' THEN format('%s: predictord %s, %s, %s ms', url, version, "
    "device,"
    " round(round_trip_ms::numeric, 1)) ELSE format('%s: %s', coalesce(url, 'the server''s own'), "
    "error) END,"
    " coalesce(hint, 'docs/engine-link.md explains the messages') FROM predictor.check_engine()"};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void run(Database& database, const Check& check, Report& report) {
  const auto rows = database.query(check.sql);
  if (!rows) {
    const std::string text = first_line(rows.error().message);
    const bool is_right = rows.error().code == "42501";
    report.say(
        is_right ? Level::kWarning : Level::kError, check.subject, text,
        is_right ? "ask as a member of pg_monitor, or of what predictor.grant_admin() named" : "");
    return;
  }
  for (const Row& row : rows.value()) {
    report.say(static_cast<Level>(std::stoi(row[0].value_or("2"))), check.subject,
               row[1].value_or(""), row[2].value_or(""));
  }
}

// What everything else stands on. False: there is no use in looking further.
bool check_foundations(Database& database, Report& report) {
  const auto rows = database.query(
      "SELECT current_setting('shared_preload_libraries') ~ '(^|[ ,/\"])predictor([ ,.\"]|$)',"
      " EXISTS (SELECT FROM pg_extension WHERE extname = 'predictor')");
  if (!rows) {
    report.say(Level::kError, "server", rows.error().message);
    return false;
  }
  if (rows.value().at(0)[0] != "t") {
    report.say(Level::kError, "preload", "the library is not loaded when the server starts",
               "add predictor to shared_preload_libraries and restart the server");
    return false;
  }
  report.say(Level::kOk, "preload", "the library is loaded");
  if (rows.value().at(0)[1] != "t") {
    report.say(Level::kError, "extension", "is not installed in this database",
               "CREATE EXTENSION predictor");
    return false;
  }
  // 55000: loaded, but not made for each other
  const auto counters = database.query("SELECT count(*) FROM predictor.counters()");
  if (!counters && counters.error().code == "55000") {
    report.say(Level::kError, "versions", first_line(counters.error().message),
               "ALTER EXTENSION predictor UPDATE, or install the library of that version");
    return false;
  }
  return true;
}

}  // namespace

int run_doctor(const std::string& conninfo, bool asks_engine) {
  Report report;
  Result<Database> database = Database::connect(conninfo);
  if (!database) {
    report.say(Level::kError, "connection", database.error().message,
               "is the server up, and are -d or PGHOST, PGPORT and PGUSER right?");
    return report.status();
  }
  if (!check_foundations(database.value(), report)) return report.status();
  for (const Check& check : kChecks) run(database.value(), check, report);
  if (asks_engine) run(database.value(), kEngineCheck, report);
  return report.status();
}

}  // namespace predictor::engine::ctl
