# Engines elsewhere: one after the other, followed through restarts of the server, and by a standby that
# takes over with a certificate of its own.
use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;
use Time::HiRes qw(usleep);

my $certs = tempdir(CLEANUP => 1);
foreach my $command (
	"init --dir $certs/ca", "server --dir $certs/ca --out $certs/server 127.0.0.1",
	"client --dir $certs/ca --out $certs/primary primary.example",
	"client --dir $certs/ca --out $certs/standby standby.example")
{
	system("predictor-certs $command >>$certs/log 2>&1") == 0 or die slurp_file("$certs/log");
}
append_to_file("$certs/engine.toml", "[namespaces]\nshop = [\"primary.example\", \"standby.example\"]\n");
my $address = '127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
my $engine = IPC::Run::start(
	[ 'predictord', 'serve', '--config', "$certs/engine.toml", '--listen', $address, '--data-dir', "$certs/store",
		'--ca-dir', "$certs/server", '--port-file', "$certs/port", '--threads', '1' ],
	'<', \undef, '>>', "$certs/engine.log", '2>&1');
for (1 .. 1800)
{
	last if -s "$certs/port";
	usleep(100_000);
}
ok(-s "$certs/port", 'an engine listens') or BAIL_OUT(slurp_file("$certs/engine.log"));

my $closed = 'https://127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', <<"EOC");
predictor.max_captures_per_second = 100000
predictor.operator_sample_rate = 1
predictor.engine_url = '$closed/, https://$address'
predictor.connect_timeout = 30s
predictor.ssl_ca_file = '$certs/primary/ca.crt'
predictor.ssl_cert_file = '$certs/primary/client.crt'
predictor.ssl_key_file = '$certs/primary/client.key'
jit = off
max_parallel_workers_per_gather = 0
EOC
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]); }

# A standby that is there before the extension is.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', <<"EOC");
predictor.ssl_cert_file = '$certs/standby/client.crt'
predictor.ssl_key_file = '$certs/standby/client.key'
EOC
$standby->start;
my $answer = "SELECT total_ms, source, version FROM predictor.predict_total('SELECT count(*) FROM item WHERE kind < 7')";
is($standby->safe_psql('postgres', 'SELECT 1 + 1'), '2', 'a standby answers');

query(<<'EOS');
CREATE EXTENSION predictor;
CREATE TABLE item AS SELECT g AS id, g % 100 AS kind FROM generate_series(1, 5000) g;
ANALYZE item;
SELECT predictor.flush();
SELECT predictor.create_model('m');
EOS
is(query('SELECT url, state FROM predictor.engine'), "$closed|configured\nhttps://$address|configured",
	'two engines are configured');
query(join(";\n", map { ("SELECT count(*) FROM item WHERE kind < $_", "SELECT kind, count(*) FROM item WHERE id > $_ GROUP BY 1") } 1 .. 90)
	  . ';SELECT predictor.flush()');

is(query("SELECT state FROM predictor.train('m')"), 'done', 'the one that is there trains');
like(query('SELECT state, failures, next_try IS NOT NULL, error FROM predictor.engine ORDER BY failures DESC LIMIT 1'),
	qr/^unreachable\|1\|t\|could not connect to engine at \Q$closed\E: Connection refused/, 'the other one is passed over for a while');
like(query("SELECT state, failures, version FROM predictor.engine WHERE url = 'https://$address'"),
	qr/^reachable\|0\|\d/, 'and the first is known');
is(query('SELECT state, api, hint IS NOT NULL FROM predictor.check_engine() ORDER BY state'),
	"reachable|1|f\nunreachable||t", 'check_engine() asks both');

# --- the server, then the primary, goes while the engine trains ---

sub begin_training
{
	my $job = query("SELECT job FROM predictor.train('m', wait => false)");
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM predictor.training_progress() WHERE phase IN ('preparing', 'training', 'calibrating')")
	  or die 'no training';
	return $job;
}

my $job = begin_training();
$node->stop('immediate');
$node->start;
ok($node->poll_query_until('postgres', "SELECT state = 'done' FROM predictor.training_jobs WHERE job = '$job'"),
	'a server that was stopped at once goes on with its training');
is(query("SELECT attempts, version, engine FROM predictor.training_jobs WHERE job = '$job'"), "2|2|https://$address",
	'which the engine had kept');
is(() = slurp_file("$certs/engine.log") =~ /job \Q$job\E \(.*\) is running/g, 1, 'and did not begin anew');

$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
ok(wait_for(sub { ($standby->psql('postgres', $answer))[1] eq query($answer) }),
	'what was created and trained after the standby answers there, too');
my ($code, $out, $err) = $standby->psql('postgres', "SELECT predictor.train('m')");
like($err, qr/a server in recovery cannot train\nHINT:/, 'a standby trains nothing');

$job = begin_training();
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
$node->stop('immediate');
$standby->promote;
ok($standby->poll_query_until('postgres', "SELECT state = 'done' FROM predictor.training_jobs WHERE job = '$job'"),
	'a standby that takes over goes on with the training of the primary');
is($standby->safe_psql('postgres', "SELECT attempts, version FROM predictor.training_jobs WHERE job = '$job'"), '2|3',
	'under its own name');
is(() = slurp_file("$certs/engine.log") =~ /job \Q$job\E \(.*\) is running/g, 1, 'and without beginning anew');
is($standby->safe_psql('postgres', "SELECT count(*) FROM predictor.model_versions WHERE job = '$job'"), '1', 'once');

# --- the engine is gone for long ---

$engine->signal('KILL');
$engine->finish;
($code, $out, $err) = $standby->psql('postgres', "SELECT predictor.train('m')");
like($err, qr/ERROR:  could not connect to engine at https:\S+: Connection refused\nHINT:/, 'without any engine training fails');
like($standby->safe_psql('postgres', "SELECT source FROM predictor.predict_total('SELECT count(*) FROM item WHERE kind < 7')"),
	qr/^\w+$/, 'and predictions go on');
$standby->stop;

done_testing();
