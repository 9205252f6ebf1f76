# predictorctl: what the doctor finds, plans imported from everything that PostgreSQL prints and logs them
# in, history exported without a literal, and models listed, trained and activated.
use strict;
use warnings FATAL => 'all';

use EngineTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
my $has_jsonlog = $node->pg_version >= 15;
my $conf = slurp_file($ENV{PREDICTOR_TEST_CONF});
$node->append_conf('postgresql.conf', $conf);
$node->append_conf('postgresql.conf', <<'EOC');
predictor.capture = off
session_preload_libraries = 'auto_explain'
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_format = json
logging_collector = on
log_rotation_size = 0
predictor.max_captures_per_second = 100000
jit = off
max_parallel_workers_per_gather = 0
autovacuum = off
EOC
$node->append_conf('postgresql.conf', "log_destination = 'stderr,csvlog" . ($has_jsonlog ? ',jsonlog' : '') . "'\n");
$node->start;
my $files = PostgreSQL::Test::Utils::tempdir();

sub query { return $node->safe_psql('postgres', $_[0]); }

# Runs predictorctl; gives its status, standard output and standard error.
sub ctl
{
	my ($input, @arguments) = @_;
	my ($out, $err) = ('', '');
	# what it does itself is no part of the logs that it reads
	local $ENV{PGOPTIONS} = '-c auto_explain.log_min_duration=-1 -c log_statement=none';
	IPC::Run::run([ 'predictorctl', '-d', $node->connstr('postgres'), @arguments ], '<', \$input, '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}

my ($status, $out, $err) = ctl('', 'doctor', '--skip-engine');
is($status, 2, 'the doctor has an error to report');
like($out, qr/^ERROR   extension: is not installed in this database\n +-> CREATE EXTENSION predictor$/m, 'with the next step');
query(<<'EOS');
CREATE EXTENSION predictor;
CREATE TABLE item AS SELECT g AS id, g % 100 AS kind, 'tyrannosaurus ' || g AS name FROM generate_series(1, 5000) g;
ANALYZE item;
SELECT predictor.flush();
EOS
($status, $out, $err) = ctl('', 'doctor', '--skip-engine');
is($status, 1, 'warnings have a status of their own');
like($out, qr/^ok      launcher: runs$/m, 'what is well is listed too');
like($out, qr/^warning capture: .*\n +-> nothing is recorded/m, 'what is turned off is a warning');
like($out, qr/^warning models: there is none$/m, 'and so is a database without models');

# --- import ---

my $explain = 'EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON)';
append_to_file("$files/plain.json", query("$explain SELECT count(*) FROM item WHERE kind = 1"));
append_to_file("$files/aligned.txt",
	(run_command([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', "$explain SELECT count(*) FROM item WHERE kind = 2" ]))[0]);
append_to_file("$files/trace.jsonl",
	'{"Plan": {"Node Type": "Result", "Startup Cost": 0, "Total Cost": 0.01, "Plan Rows": 1, "Plan Width": 4}, "Execution Time": 0.5}' . "\n"
	  . "{\"Plan\": oops}\n" . '{"Plan": {"Node Type": "Result"}}' . "\n");
($status, $out, $err) = ctl('', 'import', "$files/plain.json", "$files/aligned.txt", "$files/trace.jsonl");
is($out, "3 imported, 0 duplicates skipped, 2 not usable\n", 'EXPLAIN output and a trace file are imported');
is($status, 0, 'in spite of bad lines');
like($err, qr/^\Q$files\E\/trace\.jsonl:2: not JSON$/m, 'which are reported with their numbers');
like($err, qr/^\Q$files\E\/trace\.jsonl:3: .*Execution Time/m, 'and reasons, also those of the server');
is(query('SELECT count(*) FROM predictor.executions'), '3', 'they are in the history');
($status, $out) = ctl(slurp_file("$files/plain.json"), 'import', '-');
is($out, "0 imported, 1 duplicates skipped, 0 not usable\n", 'a plan from a pipe is not imported twice');
($status, $out, $err) = ctl('', 'import', '--progress', "$files/plain.json");
like($err, qr/\r\Q$files\E\/plain\.json: \[#{30}\] 100 %, 0 imported\n\z/, 'a bar shows how far an import is');

query("SELECT count(*) FROM item WHERE name = 'tyrannosaurus 3' OR kind = $_") foreach 1 .. 3;
$node->poll_query_until('postgres', "SELECT pg_read_file(pg_current_logfile('csvlog')) LIKE '%kind = 3%'");
my $log = $node->data_dir . '/' . query("SELECT pg_current_logfile('stderr')");
my $csv = $node->data_dir . '/' . query("SELECT pg_current_logfile('csvlog')");
($status, $out, $err) = ctl('', 'import', $csv);
my ($from_csv) = $out =~ /^(\d+) imported/;
cmp_ok($from_csv, '>=', 3, "auto_explain's plans are found in a csvlog") or diag($err);
($status, $out, $err) = ctl('', 'import', $log);
my ($again, $known) = $out =~ /^(\d+) imported, (\d+) duplicates/;
cmp_ok($known, '>=', $from_csv, 'and those of the log on stderr are the same ones') or diag($out, $err);
SKIP:
{
	skip 'no jsonlog before PostgreSQL 15', 2 unless $has_jsonlog;
	my $json = $node->data_dir . '/' . query("SELECT pg_current_logfile('jsonlog')");
	($status, $out, $err) = ctl(slurp_file($json), 'import', '--progress', '-');
	($again, $known) = $out =~ /^(\d+) imported, (\d+) duplicates/;
	cmp_ok($known, '>=', $from_csv, 'as are those of a jsonlog that comes through a pipe') or diag($out, $err);
	like($err, qr/\rstandard input: line \d+, \d+ imported\n\z/, 'whose progress is told by its lines');
}

# --- export ---

($status, $out) = ctl('', 'export');
is($status, 0, 'the history is exported');
my @lines = split /\n/, $out;
is(scalar(@lines), query('SELECT count(*) FROM predictor.traces'), 'as many lines as executions');
unlike($out, qr/tyrannosaurus|item/, 'without literals and names');
append_to_file("$files/export.jsonl", $out);
query('SELECT predictor.reset_history()');
($status, $out, $err) = ctl('', 'import', "$files/export.jsonl");
is($out, scalar(@lines) . " imported, 0 duplicates skipped, 0 not usable\n", 'and can be imported again') or diag($err);

# --- models ---

query("SELECT predictor.create_model('shop', options => '{\"max_epochs\": 3}')");
query("ALTER SYSTEM SET predictor.capture = 'operators'; SELECT pg_reload_conf()");
query(join(";\n", map { "SELECT count(*) FROM item WHERE kind < $_" } 1 .. 60) . ';SELECT predictor.flush()');
($status, $out, $err) = ctl('', 'train', 'shop');
is($status, 0, 'a model is trained') or diag($err);
like($out, qr/^version 1 of shop, trained on \d+ statements: q-error [\d.]+ at the median/, 'with its figures');
like($out, qr/^(not )?promoted: \w+/m, 'and the verdict');
like($err, qr/^NOTICE:  training "shop"/m, 'and progress on the way');
($status, $out) = ctl('', 'activate', 'shop', '0');
is($status, 0, 'an older version is activated');
($status, $out, $err) = ctl('', 'activate', 'shop', '7');
is($status, 1, 'one that is not there is not');
like($err, qr/has no version 7/, 'and said to be so');
($status, $out) = ctl('', 'models');
like($out, qr/^shop +tree +0 /m, 'models are listed');
($status, $out) = ctl('', 'doctor');
like($out, qr/^ok      engine answers: https:\S+: predictord \S+, cpu, [\d.]+ ms$/m, 'the doctor asks the engine');
ok(-s $node->data_dir . '/log/predictord.log', "the engine's log is in the server's log directory");

# --- what the doctor finds ---

# The doctor says what and what to do next, with this status; then it is put right again.
sub is_found
{
	my ($name, $expected, $finding, $bad, $good, $asks_engine) = @_;
	query($bad);
	my ($status, $out);
	# a reload takes its time
	ok(wait_for(sub {
		($status, $out) = ctl('', 'doctor', $asks_engine ? () : '--skip-engine');
		$out =~ /^$finding\n +-> \S.*$/m }), "the doctor finds $name") or diag($out);
	is($status, $expected, 'with its status');
	query($good);
	return;
}
# what was wanting so far
query('SELECT predictor.reset_history()');
query(join(";\n", map { "SELECT count(*) FROM item WHERE kind > $_" } 1 .. 110) . ';SELECT predictor.flush()');
query("SELECT predictor.alter_model('shop', auto_train => false), predictor.activate('shop', 1)");
($status, $out, $err) = ctl('', 'doctor', '--skip-engine');
is($status, 0, 'a server in order') or diag($out);
is_found('a publication', 1, qr/warning publications: publication everything is FOR ALL TABLES/,
	'CREATE PUBLICATION everything FOR ALL TABLES', 'DROP PUBLICATION everything');
is_found('a right too many', 1, qr/warning permissions: carol may SELECT predictor\.execution/,
	'CREATE ROLE carol; GRANT SELECT ON predictor.execution TO carol', 'REVOKE SELECT ON predictor.execution FROM carol');
is_found('a key that everybody may read', 2, qr/ERROR   permissions: everybody may SELECT predictor\.hash_key/,
	'GRANT SELECT ON predictor.hash_key TO PUBLIC', 'REVOKE SELECT ON predictor.hash_key FROM PUBLIC');
is_found('a setting that waits', 1, qr/warning settings: max_worker_processes waits for a restart of the server/,
	'ALTER SYSTEM SET max_worker_processes = 9; SELECT pg_reload_conf()', 'ALTER SYSTEM RESET max_worker_processes; SELECT pg_reload_conf()');
is_found('too few workers', 1, qr/warning workers: max_worker_processes is 8; predictor may want 11 of them/,
	'ALTER SYSTEM SET predictor.max_workers = 8; SELECT pg_reload_conf()', 'ALTER SYSTEM RESET predictor.max_workers; SELECT pg_reload_conf()');
is_found('query ids that are off', 1, qr/warning query ids: compute_query_id is off/,
	'ALTER DATABASE postgres SET compute_query_id = off', 'ALTER DATABASE postgres RESET compute_query_id');
is_found('a model that is old', 1, qr/warning model: shop: version 1 answers, trained 20\S+ \S+/,
	"UPDATE predictor.model_version SET trained_at = now() - interval '30 days' WHERE version = 1", 'UPDATE predictor.model_version SET trained_at = now()');
is_found('a model without an answer', 2, qr/ERROR   model: shop: no version answers, not trained/,
	'UPDATE predictor.model SET active_version = NULL', 'UPDATE predictor.model SET active_version = 1');
is_found('a training that failed', 1, qr/warning training: the last training of shop failed: the sky fell/,
	"INSERT INTO predictor.training_job (job, model, model_name, requested_by, requested_at, state, error) "
	  . "SELECT gen_random_uuid(), uuid, name, 'x', now(), 'failed', 'the sky fell' FROM predictor.model", "DELETE FROM predictor.training_job WHERE state = 'failed'");
my $sum = query("SELECT sha256 FROM predictor.model_version WHERE version = 1");
is_found('a model that is damaged', 2, qr/ERROR   serving: model shop: it differs from the checksum in its row/,
	"UPDATE predictor.model_version SET sha256 = sha256('x') WHERE version = 1; SELECT count(*) FROM predictor.predict_total('SELECT 1')",
	"UPDATE predictor.model_version SET sha256 = '$sum' WHERE version = 1; SELECT count(*) FROM predictor.predict_total('SELECT 1')");
is_found('SQL of another version', 2, qr/ERROR   versions: .*does not work with version 0\.9 of its SQL/,
	"UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'predictor'", "UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'predictor'");

# certificates, and an engine elsewhere that is not there
my $place = "$files/certs";
mkdir $place;
make_authority($place);
EngineTest::run_quietly($place, 'predictor-certs client --dir ca --out client-soon.example --days 20 soon.example && predictor-certs renew crl --dir ca --days 9');
(my $settings = engine_settings($place, 'soon.example') . "predictor.ssl_crl_file = '$place/ca/ca.crl'\n"
	  . "predictor.engine_url = 'https://127.0.0.1:" . PostgreSQL::Test::Cluster::get_free_port() . "'\n") =~ s/^/ALTER SYSTEM SET /mg;
$settings =~ s/\n/;/g;
is_found('certificates that are about to end', 1, qr/warning certificates: the server's certificate: (19|20) days left/,
	"$settings SELECT pg_reload_conf()", 'SELECT 1');
is_found('a revocation list that is about to end', 1, qr/warning certificates: the revocation list: [89] days left/, 'SELECT 1', 'SELECT 1');
is_found('an engine that is not there', 2, qr/ERROR   engine answers: https:\S+ could not connect to engine at .*Connection refused/, 'SELECT 1', 'SELECT 1', 1);
($status, $out, $err) = ctl('', 'fly');
is($status, 2, 'what it does not know is wrong usage');
$node->stop;
($status, $out) = ctl('', 'doctor');
is($status, 2, 'a server that is down');
like($out, qr/^ERROR   connection: .*\n +->|^ERROR   connection: /m, 'is a finding, too');

done_testing();
