# Extension predictor_opengauss as a PostgreSQL user lives with it: hashes at capture, a model trained by the server's own
# engine and by one that the administrator allows, predictions on queries never seen, and what outlives what.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/..";

use File::Temp qw(tempdir);
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_server('primary', <<'EOC');
predictor.operator_sample_rate = 1
predictor.opengauss_capture = on
predictor.auto_train = off
predictor.connect_timeout = 30s
predictor.engine_idle_timeout = 2s
max_parallel_workers_per_gather = 0
EOC
my ($code, $out, $err);

sub query { return $node->safe_psql('postgres', "SET search_path = public, opengauss; $_[0]"); }

query(<<'EOS');
SET client_min_messages = warning;
CREATE EXTENSION predictor_opengauss;
CREATE TABLE parts (p_key integer, p_name text);
INSERT INTO parts SELECT g, 'part ' || g FROM generate_series(1, 20000) g;
CREATE TABLE lines (l_part integer, l_amount integer);
INSERT INTO lines SELECT g % 20000, g % 100 FROM generate_series(1, 100000) g;
CREATE TABLE "odd "" table" (a integer);
ANALYZE;
EOS

# --- the two hashes are those of the deparsed texts, of which nothing is kept but what 132_opengauss_texts.pl shows ---
sub hashes_of
{
	my ($statement) = @_;
	query('SET predictor.enabled = off; SELECT predictor.flush(); SELECT predictor.reset_history()');
	query("SET client_min_messages = error; $statement; SET predictor.enabled = off; SELECT predictor.flush();");
	return query('SET predictor.enabled = off; SELECT text_hashes FROM predictor.execution ORDER BY id DESC LIMIT 1');
}

sub expected
{
	my ($condition, $projection) = @_;
	return query("SET predictor.enabled = off; SELECT (1 << 24) | (text_hash(\$t\$$condition\$t\$) & 4095) |"
		  . " ((text_hash(\$t\$$projection\$t\$) & 4095) << 12)");
}

is(hashes_of(q{SELECT p_key FROM parts AS alias WHERE p_name = 'part 7'}),
	'{' . expected(q{  && (public.parts.p_name = 'part 7'::text)}, ' public.parts.p_key') . '}',
	'a scan: qualified names, whatever the alias, with literals and casts');
is(hashes_of(q{SELECT count(*) FROM "odd "" table"}),
	'{' . expected('  && ', ' count(*)') . ',' . expected('  && ', ' public.odd " table.a') . '}',
	'an aggregate over a table of an odd name');
is(hashes_of(q{SELECT 1 FROM parts, lines WHERE p_key = l_part LIMIT 1}) =~ tr/,//, 4, 'all nodes of a join');
is(query(q{SELECT count(*) FROM predictor.execution e, predictor.plan p WHERE e::text || p::text LIKE '%part 7%'}), '0',
	'no literal is stored');
is(query(q{SET predictor.enabled = off; SELECT count(*) > 0 AND bool_and(projection ~ '^ ([?]|public[.]|$)') FROM gs_wlm_plan_operator_info}),
	't', 'a projection shows what is put out, without literals');

# --- a workload that can be learned: times follow from the table and the operators ---
sub run_workload
{
	my ($from, $to) = @_;
	my $sql = 'SET client_min_messages = error;';
	foreach my $i ($from .. $to)
	{
		$sql .= "SELECT count(*) FROM parts WHERE p_key <> $i;";
		$sql .= "SELECT count(*) FROM lines WHERE l_amount <> $i;";
		$sql .= "SELECT count(*) FROM parts JOIN lines ON p_key = l_part WHERE l_amount <> $i;";
		$sql .= "SELECT p_name FROM parts WHERE p_key = $i;" if $i % 3 == 0;
	}
	query($sql);
	query('SELECT create_wlm_operator_info(1)');
	return;
}

query('SET predictor.enabled = off; SELECT predictor.reset_history()');
run_workload(1, 40);
is(query("SELECT gather_encoding_info('postgres')"), '0', 'gathered');
query(<<'EOS');
INSERT INTO gs_opt_model VALUES ('rlstm', 'open_ai', 'postgres', '127.0.0.1', 1, 200, 2, -1, 32, 64, 0, false, false, '{T, R}', '{0,0}', '{0,0}', 'Text');
EOS
($code, $out, $err) = $node->psql('postgres', q{SELECT * FROM opengauss.model_train_opt('rlstm', 'open_ai')});
is($code, 0, 'trained by the engine of this server') or diag($err);
like($err, qr/engine 127\.0\.0\.1:1 is not in predictor\.opengauss_engines/, 'for the row\'s own was not allowed');
like($err, qr/NOTICE:  Model configured successfully\./, 'and was configured');
like($out, qr/^\|[\d.]+\|[\d.]+\|$/, 'errors of the two labels');
my (undef, $time_error, $rows_error) = split /\|/, $out;
cmp_ok($time_error, '>=', 1, 'a ratio is 1 at best');
cmp_ok($rows_error, '<=', 3, 'rows, which a busy machine does not change, are learned');
is(query('SELECT feature_size, is_training, max[2], available = (acc[1] <= 2 AND acc[2] <= 2) FROM gs_opt_model'), '67|f|99000|t',
	'the row tells it');
query('UPDATE gs_opt_model SET available = true');

# --- predictions on what was never run ---
sub explain_in_their_way
{
	my ($options, $statement) = @_;
	return $node->psql('postgres', "SET predictor.explain_style = opengauss; EXPLAIN ($options PREDICTOR open_ai) $statement");
}

($code, $out, $err) = explain_in_their_way('ANALYZE ON,', 'SELECT count(*) FROM parts JOIN lines ON p_key = l_part WHERE l_amount <> 77');
like($err, qr/NOTICE:  Predictor open_ai is converged, results are reliable\n.*NOTICE:  Model setup successfully\./s, 'what openGauss says');
like($out, qr/^Aggregate  \(cost=[\d.]+\.\.[\d.]+ rows=1 p-time=\d+ p-rows=\d+ width=8\) \(actual time/, 'where openGauss puts it');
unlike($out, qr/Predict/, 'and nothing of ours');
my @time = $out =~ /p-time=(\d+)/g;
my @actual = $out =~ /actual time=[\d.]+\.\.([\d.]+) rows/g;
is(scalar @time, scalar @actual, 'every node has a time');
my @rows = map { [ /p-rows=(\d+) width=\d+\) \(actual time=[\d.]+ rows=([\d.]+) / ] } grep { /p-rows/ } split /\n/, $out;
my $ratio = 0;
$ratio += ($_->[0] + 1) > ($_->[1] + 1) ? ($_->[0] + 1) / ($_->[1] + 1) : ($_->[1] + 1) / ($_->[0] + 1) foreach @rows;
cmp_ok($ratio / @rows, '<=', 3, 'rows of a query never seen') or diag($out);

($code, $out, $err) = explain_in_their_way('FORMAT JSON,', 'SELECT count(*) FROM parts WHERE p_key <> 55');
like($out, qr/"Plan Width": \d+,\s+"Pred Total Time": \d+\.\d\d,\s+"Pred Rows": \d+,?\s/, 'JSON: straight after the width');
ok(eval { decode_json($out) }, 'and it is JSON');
($code, $out) = explain_in_their_way('FORMAT XML,', 'SELECT count(*) FROM parts WHERE p_key <> 55');
like($out, qr{<Plan-Width>\d+</Plan-Width>\s+<Pred-Total-Time>\d+\.\d\d</Pred-Total-Time>\s+<Pred-Rows>\d+</Pred-Rows>\s+<}, 'XML');
($code, $out) = explain_in_their_way('FORMAT YAML,', 'SELECT count(*) FROM parts WHERE p_key <> 55');
like($out, qr/Plan Width: \d+\s+Pred Total Time: \d+\.\d\d\s+Pred Rows: \d+\s/, 'YAML');
($code, $out) = explain_in_their_way('COSTS OFF,', 'SELECT count(*) FROM parts WHERE p_key <> 55');
unlike($out, qr/p-time/, 'nothing without costs');
{
	my ($plain) = $node->safe_psql('postgres', 'EXPLAIN SELECT count(*) FROM parts WHERE p_key <> 55');
	($code, $out) = explain_in_their_way('', 'SELECT count(*) FROM parts WHERE p_key <> 55');
	$out =~ s/ p-(time|rows)=\d+//g;
	is($out, $plain, 'without our part it is what PostgreSQL prints');
}

# --- the log of the training, though the engine has ended ---
my $log = query(q{SELECT track_model_train_opt('rlstm', 'open_ai')});
like(slurp_file($log), qr/\[MODEL\]: open_ai  \[Epoch\]: \d+\/200/, 'the log of the training');
ok(wait_for_sql($node, 'postgres', q{SELECT state = 'stopped' FROM predictor.engine}), 'the engine ends');
($code, $out) = explain_in_their_way('', 'SELECT 1');
like($out, qr/p-time=\d+/, 'predictions need none');
is(query(q{SELECT track_model_train_opt('rlstm', 'open_ai')}), $log, 'the next engine still has the log');

# --- restart, dump and restore ---
$node->restart('immediate');
($code, $out, $err) = explain_in_their_way('', 'SELECT count(*) FROM parts WHERE p_key <> 55');
like($out, qr/p-time=\d+/, 'the model outlives a crash of the server');
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'restored');
$node->safe_psql('restored', q{UPDATE opengauss.gs_opt_model SET datname = 'restored'});
like($node->safe_psql('restored', 'SET predictor.explain_style = opengauss; EXPLAIN (PREDICTOR open_ai) SELECT count(*) FROM parts'),
	qr/p-time=\d+/, 'a restored model answers');

# --- a table of that name that is not the extension's is not believed ---
$node->safe_psql('template1', 'CREATE EXTENSION IF NOT EXISTS predictor; CREATE SCHEMA opengauss; CREATE TABLE opengauss.gs_opt_model (a text)');
($code, $out, $err) = $node->psql('template1', 'SET predictor.explain_style = opengauss; EXPLAIN (PREDICTOR open_ai) SELECT 1');
like($err, qr/WARNING:  MLModel not found for model name open_ai/, 'another table of that name is not read');

# --- an engine that the administrator allows ---
my $certs = tempdir(CLEANUP => 1);
foreach my $command ("init --dir $certs/ca", "server --dir $certs/ca --out $certs/server 127.0.0.1",
	"client --dir $certs/ca --out $certs/client db1.example")
{
	system("predictor-certs $command >>$certs/log 2>&1") == 0 or die slurp_file("$certs/log");
}
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $engine = IPC::Run::start(
	[ 'predictord', 'serve', '--listen', "127.0.0.1:$port", '--data-dir', "$certs/store", '--ca-dir', "$certs/server",
		'--port-file', "$certs/port", '--threads', '1' ],
	'<', \undef, '>>', "$certs/engine.log", '2>&1');

# A test that dies leaves no engine behind.
END
{
	local $?;
	$engine->kill_kill if defined $engine && $engine->pumpable;
}
ok(wait_for(sub { -s "$certs/port" }), 'an engine listens') or BAIL_OUT(slurp_file("$certs/engine.log"));
query("UPDATE gs_opt_model SET port = $port");
is(query("SELECT check_engine_status('127.0.0.1', $port)"), 'Failed', 'an engine that is not allowed is not asked');
$node->append_conf('postgresql.conf', <<"EOC");
predictor.opengauss_engines = '10.0.0.1:5000, 127.0.0.1:$port'
predictor.ssl_ca_file = '$certs/client/ca.crt'
predictor.ssl_cert_file = '$certs/client/client.crt'
predictor.ssl_key_file = '$certs/client/client.key'
EOC
$node->restart;
($code, $out, $err) = $node->psql('postgres', 'ALTER SYSTEM SET predictor.opengauss_engines = \'10.0.0.2:1\'');
isnt($code, 0, 'SQL allows none');
($code, $out, $err) = $node->psql('postgres', "SELECT opengauss.check_engine_status('127.0.0.1', $port)");
is($out, 'Success', 'an allowed one is asked');
like($err, qr/INFO:  AI engine \@127\.0\.0\.1:$port is running/, 'and answers');
($code, $out, $err) = $node->psql('postgres', q{SELECT * FROM opengauss.model_train_opt('rlstm', 'open_ai')});
is($code, 0, 'it trains') or diag($err);
unlike($err, qr/is not in/, 'as it is allowed');
is($node->safe_psql('postgres', 'SELECT state FROM predictor.engine'), 'stopped', 'and not the engine of this server');
($code, $out, $err) = $node->psql('postgres', q{SELECT opengauss.track_model_train_opt('rlstm', 'open_ai')});
like($out, qr{^\Q$certs\E/store/opengauss/db1\.example/open_ai}, 'the log is on its host');
like($err, qr/INFO:  The training process of open_ai is recorded in the following file:/, 'as openGauss says it');
query('UPDATE gs_opt_model SET max_epoch = 1000000, hidden_units = 512');
($code, $out, $err) = $node->psql('postgres', q{SET statement_timeout = '500ms'; SELECT * FROM opengauss.model_train_opt('rlstm', 'open_ai')});
like($err, qr/canceling statement due to statement timeout/, 'a training can be cancelled');
$engine->signal('TERM');
eval { $engine->finish };
($code, $out, $err) = $node->psql('postgres', q{SELECT * FROM opengauss.model_train_opt('rlstm', 'open_ai')});
like($err, qr/ERROR:  AI engine connection failed\./, 'an engine that is gone');
like($err, qr/NOTICE:  could not connect to engine at https:\/\/127\.0\.0\.1:$port: \S/, 'and why, which openGauss does not tell');
like($node->safe_psql('postgres', 'SET predictor.explain_style = opengauss; EXPLAIN (PREDICTOR open_ai) SELECT count(*) FROM parts'),
	qr/p-time=\d+/, 'does not keep the model from answering');
$node->stop;
done_testing();
