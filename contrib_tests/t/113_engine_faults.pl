# Engines that answer slowly, with garbage or not at all, have a full disk or an expired certificate, end in the middle of
# an upload or of a training, or are down for a week: each training ends well or says why not, and predictions go on.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_hex);
use EngineTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $place = PostgreSQL::Test::Utils::tempdir();
make_authority($place, 'primary.example');
make_expired_server($place);

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', engine_settings($place, 'primary.example') . <<'EOC');
predictor.max_captures_per_second = 100000
predictor.operator_sample_rate = 1
predictor.flush_interval = 200ms
jit = off
autovacuum = off
max_parallel_workers_per_gather = 0
EOC
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]); }
sub becomes { return ok($node->poll_query_until('postgres', $_[0]), $_[1]); }

sub configure
{
	my ($name, $value) = @_;
	query("ALTER SYSTEM SET $name = '$value'");
	query('SELECT pg_reload_conf()');
	$node->poll_query_until('postgres', "SELECT current_setting('$name') = '$value'") or die "$name does not change";
	return;
}

# Both outcomes of a training that is waited for.
sub train
{
	my ($model) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "SELECT state, version FROM predictor.train('$model')");
	return "$out$err";
}

# The same as a job that nobody waits for: its state and error.
sub train_unattended
{
	my ($model) = @_;
	my $job = query("SELECT job FROM predictor.train('$model', wait => false)");
	$node->poll_query_until('postgres', "SELECT state IN ('done', 'failed') FROM predictor.training_jobs WHERE job = '$job'")
	  or die "job $job does not end";
	return query("SELECT state, error FROM predictor.training_jobs WHERE job = '$job'");
}

# A training in the background that has come to a phase; end_training() gives its state and error.
sub begin_training
{
	my ($model, $phases) = @_;
	my $job = query("SELECT job FROM predictor.train('$model', wait => false)");
	becomes("SELECT count(*) = 1 FROM predictor.training_progress() WHERE job = '$job' AND phase IN ($phases)", "training $model: $phases");
	return $job;
}

sub end_training
{
	my ($job) = @_;
	$node->poll_query_until('postgres', "SELECT state IN ('done', 'failed') FROM predictor.training_jobs WHERE job = '$job'");
	return query("SELECT state, attempts, error FROM predictor.training_jobs WHERE job = '$job'");
}
my $at_work = "'preparing', 'training', 'calibrating'";

# A model of each kind: one that is trained in no time, and one that takes a second or two.
query(<<'EOS');
CREATE EXTENSION predictor;
CREATE TABLE item AS SELECT g AS id, g % 100 AS kind FROM generate_series(1, 2000) g;
ANALYZE item;
SELECT predictor.flush();
SELECT predictor.create_model('quick', template => 'cost', auto_train => false),
	predictor.create_model('slow', auto_train => false, options => '{"max_epochs": 1}');
EOS
query(join(";\n", map { ("SELECT count(*) FROM item WHERE kind < $_", "SELECT kind, count(*) FROM item WHERE id > $_ GROUP BY 1") } 1 .. 60)
	  . ';SELECT predictor.flush()');
query(<<'EOS');
SET predictor.enabled = off;
CREATE TEMP TABLE more AS SELECT e.* FROM predictor.execution e, generate_series(1, 24);
UPDATE more SET id = nextval('predictor.execution_id');
INSERT INTO predictor.execution SELECT * FROM more;
EOS

# --- garbage ---

my $false = start_false_engine($place);
my $version = '{"name": "predictord", "api": 1, "version": "9.9", "device": "cpu", "templates": ["cost", "tree"]}';
my $bundle = 'this is no model';
my $done = '{"state": "done", "plans": 5, "bundle": {"sha256": "' . sha256_hex($bundle) . '"}}';
my %good = (version => [ 200, $version ], put => [ 202, '{"state": "queued"}' ], job => [ 200, $done ], bundle => [ 200, $bundle ],
	delete => [ 200, '{}' ]);
configure('predictor.engine_url', $false->{url});
my $who = qr/engine at \Q$false->{url}\E/;
foreach my $case (
	[ 'no JSON', version => [ 200, 'hello' ], qr/$who answered with something that is not a JSON object.*\nHINT:  Is it predictord/ ],
	[ 'another program', version => [ 200, '{"name": "nginx"}' ], qr/$who speaks version 0 of the protocol/ ],
	[ 'another release', version => [ 200, $version =~ s/"api": 1/"api": 7/r ], qr/$who speaks version 7 of the protocol, and this server version 1\nHINT:  Install/ ],
	[ 'no HTTP', version => ["\x00\x01\x02 rubbish\r\n\r\n"], qr/lost the connection to $who|$who.*(HTTP|weird|unsupported)/i ],
	[ 'no answer', version => ['close'], qr/lost the connection to $who/ ],
	[ 'too much', version => ['endless'], qr/$who answered GET \/v1\/version with more than \d+ bytes/ ],
	[ 'a redirect', version => ["HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"],
		qr/$who refused the request: HTTP status 302/ ],
	[ 'a full disk', put => [ 507, '{"error": {"code": "no_space", "message": "no space left on device"}}' ],
		qr/$who refused the request: no space left on device \(507\)\nHINT:  The engine's log/ ],
	[ 'an internal error', put => [ 500, '<html>' ], qr/$who refused the request: HTTP status 500/ ],
	[ 'a job that is no JSON', job => [ 200, '[1]' ], qr/$who answered with something that is not a JSON object/ ],
	[ 'a job without a state', job => [ 200, '{"state": 7}' ], qr/$who does not say what became of the training of model "quick"/ ],
	[ 'a job in a state of its own', job => [ 200, '{"state": "asleep", "epoch": 1e300, "loss": "high"}' ],
		qr/$who could not train model "quick": it does not say why/ ],
	[ 'a job that it has forgotten', job => [ 404, '{}' ], qr/$who does not know the training of model "quick" any more/ ],
	[ 'a job without a model', job => [ 200, '{"state": "done"}' ], qr/the model that came from $who is not the one that was trained/ ],
	[ 'another model', bundle => [ 200, 'that is no model' ], qr/the model that came from $who is not the one that was trained\nDETAIL:  Its SHA-256 is/ ],
	[ 'no model', bundle => [ 200, $bundle ], qr/the model that came from $who cannot be used: .*\nHINT:  Install/ ],
	[ 'a refusal', bundle => [ 404, '{"error": {"message": "no such bundle"}}' ], qr/$who refused the request: no such bundle \(404\)/ ])
{
	my ($name, $route, $answer, $message) = @$case;
	false_engine_says($false, $_, @{ $good{$_} }) foreach keys %good;
	false_engine_says($false, $route, @$answer);
	like(train('quick'), qr/ERROR:  .*$message/, "an engine answers $route with $name");
}
is(query('SELECT state, failures > 0 FROM predictor.engine'), 'reachable|f', 'what is wrong with one answer is not held against the engine');
false_engine_says($false, 'version', 200, '{"name": "predictord", "api": 7}');
train('quick');
like(query('SELECT state, failures, next_try > now(), error FROM predictor.engine'), qr/^incompatible\|1\|t\|$who speaks version 7/,
	'one of another release is incompatible');
false_engine_says($false, $_, @{ $good{$_} }) foreach keys %good;
like(train_unattended('quick'), qr/^failed\|the model that came from $who cannot be used/, 'a job that nobody waits for fails with the same words');
is(query("SELECT count(*) FROM predictor.training_jobs WHERE state <> 'failed'"), '0', 'all of these are on record as failed');
is(query("SELECT count(*) FROM predictor.model_versions WHERE version > 0"), '0', 'and none has left a version');

my $engine = start_engine($place);
configure('predictor.engine_url', $engine->{url});
like(train('quick'), qr/^done\|1/, 'a real engine trains');
is(query("SELECT state FROM predictor.engine"), 'reachable', 'and is reachable');

# --- slow ---

my $slow = start_link($engine->{address}, delay_us => 8_000);
configure('predictor.engine_url', $slow);
like(train('quick'), qr/^done\|2/, 'over a link that holds every 4 kB up for a while it takes longer, and that is all');
false_engine_says($false, 'job', 'hang');
false_engine_says($false, 'version', 200, $version);
configure('predictor.engine_url', $false->{url});
my $job = query("SELECT job FROM predictor.train('quick', wait => false)");
ok(wait_for(sub { false_engine_heard($false) =~ /GET job/ }), 'an engine that hangs when it is asked for the job');
is(query("SELECT predictor.cancel_training('$job')"), 't', 'the training can be cancelled');
becomes("SELECT state = 'cancelled' FROM predictor.training_jobs WHERE job = '$job'", 'at once');

# --- restarted in the middle of an upload ---

my ($reached, $opened) = ("$place/reached", "$place/opened");
configure('predictor.engine_url', start_link($engine->{address}, hold_after => 200_000, reached => $reached, opened => $opened));
$job = begin_training('quick', "'sending history'");
ok(wait_for(sub { -e $reached }), 'a part of the history is there');
kill_engine($engine);
append_to_file($opened, '');
$engine = start_engine($place, address => $engine->{address});
is(end_training($job), 'done|1|', 'an engine that was restarted in mid-upload gets the history again');
is(query("SELECT count(*) FROM predictor.model_versions WHERE job = '$job'"), '1', 'and there is one result');
is(() = slurp_file($engine->{log}) =~ /job \Q$job\E \(.*\) is running/g, 1, 'of one training');

# --- a full disk ---

SKIP:
{
	my $disk = $ENV{PREDICTOR_SMALL_DISK};
	skip 'no small file system here', 3 unless $disk;
	my $full = start_engine($place, store => "$disk/store");
	configure('predictor.engine_url', $full->{url});
	my $log = -s $full->{log};
	system("dd if=/dev/zero of=$disk/filler bs=64k >>$place/log 2>&1");
	like(train('slow'), qr/ERROR:  engine at \Q$full->{url}\E refused the request: .*(space|full).*\(507\)/i, 'an engine whose disk is full says so');
	like(train_unattended('slow'), qr/^failed\|engine at .*\(507\)/, 'also when nobody waits');
	unlink "$disk/filler";
	like(train('quick'), qr/^done/, 'and trains again once there is room');
	stop_engine($full);
	system("rm -rf $disk/store");
}

# --- another certificate in the middle of a training ---

configure('predictor.engine_url', $engine->{url});
$job = begin_training('slow', $at_work);
kill_engine($engine);
$engine = start_engine($place, address => $engine->{address}, certificates => "$place/expired");
like(end_training($job), qr/^failed\|1\|could not connect to engine at \S+ its certificate is not accepted: .*expired/,
	'a certificate that is expired in mid-training is told');
like(train('quick'), qr/its certificate is not accepted: .*expired.*\nHINT:  The engine's certificate must name/, 'and to who waits');
stop_engine($engine);

# --- another engine in the middle of a training ---

my @engines = map { start_engine($place, store => "$place/store_$_") } 1 .. 2;
configure('predictor.engine_url', "$engines[0]{url}, $engines[1]{url}");
$job = begin_training('slow', $at_work);
kill_engine($engines[0]);
is(end_training($job), 'done|1|', 'an engine that goes away in mid-training is replaced by the other');
is(query("SELECT engine, (SELECT count(*) FROM predictor.model_versions v WHERE v.job = j.job) FROM predictor.training_jobs j WHERE job = '$job'"),
	"$engines[1]{url}|1", 'which is on record');
is(query('SELECT url, state FROM predictor.engine ORDER BY state'), "$engines[1]{url}|reachable\n$engines[0]{url}|unreachable", 'as are both of them');

# --- down for a week ---

my $closed = 'https://127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
configure('predictor.engine_url', $closed);
query("SELECT predictor.create_model('weekly', template => 'cost')");
configure('predictor.auto_train', 'on');
query('SELECT predictor.look_at_trainings()');
my $pause = "SELECT round(extract(epoch FROM due_at - (SELECT max(finished_at) FROM predictor.training_jobs WHERE model = 'weekly'))) "
  . "FROM predictor.training_due() WHERE model = 'weekly' AND reason = 'again after a failure'";
foreach my $failures (1 .. 3)
{
	becomes("SELECT count(*) = $failures FROM predictor.training_jobs WHERE model = 'weekly' AND state = 'failed'", "without an engine, failure $failures");
	is(query($pause), 10 * 2**$failures, 'and a pause that doubles');
	# so much time goes by
	query("UPDATE predictor.training_job SET finished_at = finished_at - interval '1 hour', requested_at = requested_at - interval '1 hour' "
		  . "WHERE model_name = 'weekly'; SELECT predictor.look_at_trainings()");
}
becomes("SELECT count(*) = 4 FROM predictor.training_jobs WHERE model = 'weekly' AND state = 'failed'", 'until now');
query(<<'EOS');
INSERT INTO predictor.training_job (job, model, model_name, requested_by, requested_at, finished_at, state, reason, attempts, error)
SELECT gen_random_uuid(), m.uuid, m.name, 'x', now() - g * interval '1 hour', now() - g * interval '1 hour', 'failed', 'again after a failure', 1, 'x'
FROM predictor.model m, generate_series(2, 169) g WHERE m.name = 'weekly'
EOS
is(query($pause), '3600', 'after a week it is tried once in an hour');
is(query("SELECT failures > 0, next_try - now() <= interval '10 minutes', state FROM predictor.engine"), 't|t|unreachable',
	'the engine is passed over for ten minutes at most');
is(query("SELECT source FROM predictor.predict_total('SELECT count(*) FROM item', 'quick')") =~ /^\w+$/, 1, 'predictions go on');
configure('predictor.engine_url', $engines[1]{url});
query("UPDATE predictor.training_job SET finished_at = finished_at - interval '1 hour', requested_at = requested_at - interval '1 hour' "
	  . "WHERE model_name = 'weekly'; SELECT predictor.look_at_trainings()");
becomes("SELECT versions = 1 FROM predictor.models WHERE name = 'weekly'", 'once the engine is back the model is trained, without anybody asking');
cmp_ok(query("SELECT count(*) FROM predictor.training_jobs WHERE model = 'weekly'"), '<=', 101, 'and of the week the last hundred failures are remembered');

stop_engine($engines[1]);
$node->stop;
done_testing();
