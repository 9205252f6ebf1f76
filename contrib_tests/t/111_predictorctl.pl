# predictorctl: what the doctor finds, plans imported from everything that PostgreSQL prints and logs them
# in, history exported without a literal, and models listed, trained and activated.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
my $conf = slurp_file($ENV{PREDICTOR_TEST_CONF});
$node->append_conf('postgresql.conf', $conf);
$node->append_conf('postgresql.conf', <<'EOC');
predictor.capture = off
session_preload_libraries = 'auto_explain'
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_format = json
log_destination = 'stderr,csvlog'
logging_collector = on
jit = off
max_parallel_workers_per_gather = 0
EOC
$node->start;
my $files = PostgreSQL::Test::Utils::tempdir();

sub query { return $node->safe_psql('postgres', $_[0]); }

# Runs predictorctl; gives its status, standard output and standard error.
sub ctl
{
	my ($input, @arguments) = @_;
	my ($out, $err) = ('', '');
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
($status, $out, $err) = ctl('', 'fly');
is($status, 2, 'what it does not know is wrong usage');
$node->stop;
($status, $out) = ctl('', 'doctor');
is($status, 2, 'a server that is down');
like($out, qr/^ERROR   connection: .*\n +->|^ERROR   connection: /m, 'is a finding, too');

done_testing();
