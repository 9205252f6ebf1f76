# The whole path, with an engine of our own: statements run, are captured and stored; a model is trained
# over mutual TLS; EXPLAIN and predict() answer from the bundle, also when the engine has gone.
use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $secret = 'tyrannosaurus';    # a literal that must be found nowhere
my $certs = tempdir(CLEANUP => 1);
my $store = tempdir(CLEANUP => 1);

# --- certificates and an engine ---

sub make_certificates
{
	my $log = "$certs/log";
	foreach my $command (
		"init --dir $certs/ca",
		"server --dir $certs/ca --out $certs/server 127.0.0.1",
		"client --dir $certs/ca --out $certs/client primary.example")
	{
		is(system("predictor-certs $command >>$log 2>&1"), 0, "predictor-certs $command")
		  or diag(slurp_file($log));
	}
}

my $engine;

sub start_engine
{
	my $port_file = "$certs/port";
	unlink $port_file;
	$engine = IPC::Run::start(
		[ 'predictord', 'serve', '--listen', '127.0.0.1:0', '--data-dir', $store,
			'--ca-dir', "$certs/server", '--port-file', $port_file ],
		'<', \undef, '>', "$certs/engine.log", '2>&1');
	for (1 .. 300)
	{
		last if -s $port_file;
		usleep(100_000);
	}
	ok(-s $port_file, 'the engine listens') or BAIL_OUT(slurp_file("$certs/engine.log"));
	my $address = slurp_file($port_file);
	chomp $address;
	return "https://$address";
}

make_certificates();
my $url = start_engine();

# --- a server that uses it ---

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', <<"EOC");
predictor.operator_sample_rate = 0.5
predictor.max_captures_per_second = 100000
predictor.engine_url = '$url'
predictor.ssl_ca_file = '$certs/client/ca.crt'
predictor.ssl_cert_file = '$certs/client/client.crt'
predictor.ssl_key_file = '$certs/client/client.key'
jit = off
max_parallel_workers_per_gather = 0
EOC
$node->start;

my $sql = <<'EOS';
CREATE EXTENSION predictor;
CREATE TABLE item (id int PRIMARY KEY, kind int, price float8, name text);
INSERT INTO item SELECT g, g % 50, g % 997, 'item ' || g FROM generate_series(1, 60000) g;
CREATE TABLE sale (id int PRIMARY KEY, item int, amount int);
INSERT INTO sale SELECT g, 1 + g * 7919 % 60000, g % 13 FROM generate_series(1, 120000) g;
CREATE INDEX ON sale (item);
ANALYZE;
SELECT predictor.flush();
SELECT predictor.create_model('shop');
EOS
$node->safe_psql('postgres', $sql);

my ($code, $out, $err);

# Nothing to learn from yet: a clear error, nothing broken.
($code, $out, $err) = $node->psql('postgres', "SELECT * FROM predictor.train('shop')");
isnt($code, 0, 'training without history fails');
like($err, qr/ERROR:.*(records|history|executions|statements)/, 'and says what is missing');

# A workload of few templates and many constants.
my @workload;
for my $i (1 .. 60)
{
	my ($k, $id, $low) = ($i % 50, $i * 97, $i * 900);
	push @workload,
	  "SELECT count(*) FROM item WHERE kind = $k",
	  "SELECT name FROM item WHERE id = $id",
	  "SELECT sum(amount) FROM sale WHERE item = $id",
	  "SELECT i.kind, sum(s.amount) FROM sale s JOIN item i ON i.id = s.item "
	  . "WHERE i.id > $low GROUP BY i.kind ORDER BY 2 DESC LIMIT 5",
	  "SELECT count(*) FROM item WHERE name = '$secret $i'";
}
$node->safe_psql('postgres', join(";\n", @workload));
is($node->safe_psql('postgres', 'SELECT predictor.flush()'), 't', 'captured statements are stored');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM predictor.executions'),
	'>=', scalar(@workload), 'every statement was captured');

# --- training ---

($code, $out, $err) = $node->psql('postgres',
	"SELECT state, version, promoted, plans >= 260, (validation->>'q50')::float8 < 5 "
	  . "FROM predictor.train('shop')");
is($out, 'done|1|t|t|t', 'a model is trained, judged and promoted') or diag($err);
like($err, qr/NOTICE:.*epoch/, 'with visible progress');
is( $node->safe_psql('postgres',
		'SELECT model, version, active FROM predictor.model_versions WHERE version > 0'),
	'shop|1|t', 'its version is stored');
is($node->safe_psql('postgres', 'SELECT state, version FROM predictor.training_jobs WHERE state = $$done$$'),
	'done|1', 'and so is its job');

# --- prediction ---

my $query = 'SELECT i.kind, sum(s.amount) FROM sale s JOIN item i ON i.id = s.item '
  . 'WHERE i.id > 12345 GROUP BY i.kind';
my $text = $node->safe_psql('postgres', "EXPLAIN (PREDICTOR shop) $query");
my $plain = $node->safe_psql('postgres', "EXPLAIN $query");
my $nodes = () = $plain =~ /cost=/g;
my $predicted = () = $text =~ /^\s*Predicted: time=[\d.]+\.\.[\d.]+ \(90% [\d.]+\.\.[\d.]+\) rows=\d+ loops=\d+/mg;
is($predicted, $nodes, 'each node has its prediction');
like($text, qr/^\s*Prediction: model=shop version=1 source=\w+/m, 'and the plan has its total');
(my $stripped = $text) =~ s/^\s*(Predicted|Prediction): .*\n?//mg;
$stripped =~ s/\n+\z//;
is($stripped, $plain, "without our lines the output is PostgreSQL's own");

my $json = decode_json($node->safe_psql('postgres', "EXPLAIN (PREDICTOR shop, FORMAT JSON) $query"));
ok($json->[0]{Plan}{'Predicted Total Time'} > 0, 'JSON has the keys of a node');
is($json->[0]{Prediction}{Model}, 'shop', 'and the group of the plan');

is( $node->safe_psql('postgres',
		"SELECT count(*), bool_and(low_ms <= total_ms AND total_ms <= high_ms) "
		  . "FROM predictor.predict(\$\$$query\$\$, 'shop')"),
	"$nodes|t", 'predict() has a row for each node, inside its interval');

# The model tells a point lookup from a join: without that all of this would be decoration.
is( $node->safe_psql('postgres',
		"SELECT p.total_ms * 10 < j.total_ms FROM "
		  . "predictor.predict_total('SELECT name FROM item WHERE id = 4711') p, "
		  . "predictor.predict_total(\$\$$query\$\$) j"),
	't', 'a lookup is predicted to be much faster than a join');

# --- rights: a prediction asks for those of the statement ---

$node->safe_psql('postgres', <<'EOS');
CREATE ROLE clerk;
GRANT USAGE ON SCHEMA predictor TO clerk;
GRANT EXECUTE ON FUNCTION predictor.predict_total(text, name, text[]) TO clerk;
EOS
($code, $out, $err) = $node->psql('postgres',
	"SET ROLE clerk; SELECT * FROM predictor.predict_total('SELECT * FROM sale')");
like($err, qr/permission denied for table sale/, 'predict() checks the rights on the table');
($code, $out, $err) = $node->psql('postgres', "SET ROLE clerk; EXPLAIN (PREDICTOR shop) SELECT * FROM sale");
like($err, qr/permission denied for table sale/, 'so does EXPLAIN');
($code, $out, $err) = $node->psql('postgres', "SET ROLE clerk; EXPLAIN (PREDICTOR shop) SELECT 1");
like($out, qr/Predicted: /, 'which needs no other right');

# --- the engine goes ---

$engine->signal('KILL');
$engine->finish;
($code, $out, $err) = $node->psql('postgres', "SELECT * FROM predictor.train('shop')");
isnt($code, 0, 'without the engine training fails');
like($err, qr/\Q$url\E/, 'and names its address');
like($err, qr/HINT:/, 'and the next step');
like($node->safe_psql('postgres', "EXPLAIN (PREDICTOR shop) $query"), qr/Predicted: /,
	'EXPLAIN goes on');
my $before = $node->safe_psql('postgres', 'SELECT predictor.flush(); SELECT count(*) FROM predictor.executions');
$node->safe_psql('postgres', 'SELECT count(*) FROM item WHERE kind = 7');
my $after = $node->safe_psql('postgres', 'SELECT predictor.flush(); SELECT count(*) FROM predictor.executions');
isnt($after, $before, 'so does capture');

# ... and comes back
my $again = start_engine();
$node->append_conf('postgresql.conf', "predictor.engine_url = '$again'");
$node->reload;
($code, $out, $err) = $node->psql('postgres', "SELECT version FROM predictor.train('shop')");
is($out, '2', 'a second version is trained') or diag($err);
$node->safe_psql('postgres', "SELECT predictor.activate('shop', 1)");
like($node->safe_psql('postgres', "EXPLAIN (PREDICTOR shop) $query"), qr/version=1 /,
	'the first can be activated again');

# --- a restart, and no literal anywhere ---

$node->restart;
like($node->safe_psql('postgres', "EXPLAIN (PREDICTOR shop) $query"), qr/Predicted: /,
	'predictions outlive a restart');
my $dump = $node->safe_psql('postgres',
	"SELECT p::text FROM predictor.plan p UNION ALL SELECT e::text FROM predictor.execution e "
	  . "UNION ALL SELECT encode(bundle, 'escape') FROM predictor.model_version "
	  . "UNION ALL SELECT j::text FROM predictor.training_job j");
unlike($dump, qr/$secret/, 'no literal in a table');
$engine->signal('TERM');
$engine->finish;
my $found = `grep -rl $secret $store $certs 2>/dev/null`;
is($found, '', 'no literal with the engine');
$node->stop;

done_testing();
