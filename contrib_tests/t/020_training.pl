# Training as an operator sees it: the server's own engine that comes and goes, and never outlives the
# server; cancelling; engines elsewhere that are not there, hang, or are not trusted.
use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', <<'EOC');
predictor.operator_sample_rate = 1
predictor.max_captures_per_second = 100000
jit = off
max_parallel_workers_per_gather = 0
restart_after_crash = on
EOC
$node->start;

my $data = $node->data_dir;
my ($code, $out, $err);

# --- helpers ---

sub query { return $node->safe_psql('postgres', $_[0]); }

# Changes settings for good, and waits until new sessions see them.
sub configure
{
	my %settings = @_;
	query("ALTER SYSTEM SET $_ = '$settings{$_}'") foreach sort keys %settings;
	query('SELECT pg_reload_conf()');
	foreach my $name (sort keys %settings)
	{
		$node->poll_query_until('postgres',
			"SELECT current_setting('$name') = '$settings{$name}'")
		  or die "$name does not change";
	}
	return;
}

# A training in a session of its own; end_training() gives what it printed.
sub begin_training
{
	my ($statement) = @_;
	my %session = (out => '', err => '');
	$session{run} = IPC::Run::start(
		[ 'psql', '-XAt', '-d', $node->connstr('postgres'), '-c',
			$statement // "SELECT state FROM predictor.train('m')" ],
		'<', \undef, '>', \$session{out}, '2>', \$session{err});
	return \%session;
}

sub end_training
{
	my ($session) = @_;
	$session->{run}->finish;
	return ($session->{out}, $session->{err});
}

sub wait_for_phase
{
	my ($condition) = @_;
	return $node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM predictor.training_progress() WHERE $condition");
}

# The engine is at work on a training.
my $engine_works = "phase IN ('preparing', 'training', 'calibrating')";

# Is the process there, and no zombie of a parent that has other things to do?
sub is_alive
{
	my ($pid) = @_;
	my $status = eval { slurp_file("/proc/$pid/stat") };
	return defined $status && $status !~ /\) Z /;
}

sub ends
{
	my ($pid) = @_;
	for (1 .. 1800)
	{
		return 1 unless is_alive($pid);
		usleep(100_000);
	}
	return 0;
}

sub engine_pid { return query('SELECT pid FROM predictor.engine'); }

sub engine_directories { return grep { -d } glob("$data/predictor/engine.*"); }

# --- nothing to train with, nothing to train ---

query('CREATE EXTENSION predictor');
($code, $out, $err) = $node->psql('postgres', "SELECT predictor.train('m')");
like($err, qr/ERROR:  model "m" does not exist\nHINT:  .*create_model/, 'an unknown model is an error with a hint');
query("SELECT predictor.create_model('m'), predictor.flush()");
($code, $out, $err) = $node->psql('postgres', "SELECT predictor.train('m')");
like($err, qr/model "m" cannot be trained with \d recorded statements/, 'too little history is an error');
is(query('SELECT state, embedded FROM predictor.engine'), 'stopped|t', 'for which no engine is started');

query('CREATE TABLE item AS SELECT g AS id, g % 100 AS kind FROM generate_series(1, 20000) g');
query('CREATE INDEX ON item (kind); ANALYZE item');
my @workload;
foreach my $i (1 .. 60)
{
	push @workload, "SELECT count(*) FROM item WHERE kind < $i",
	  "SELECT count(*) FROM item WHERE kind = $i",
	  "SELECT kind, count(*) FROM item WHERE id > $i * 300 GROUP BY kind ORDER BY 2 LIMIT 3";
}
query(join(";\n", @workload));

# --- the server's own engine ---

($code, $out, $err) = $node->psql('postgres', <<'EOS');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM predictor.model_versions;
SELECT state, version, promoted, seconds > 0, validation ? 'q50', baseline ? 'q50', coverage >= 0
  FROM predictor.train('m');
COMMIT;
EOS
like($out, qr/^done\|1\|t\|t\|t\|t\|t$/m, 'the own engine trains, and an old snapshot sees the result')
  or diag($err);
like($err, qr/NOTICE:  training "m": epoch \d+\/\d+, validation q-error [\d.]+, about \d+ s left/,
	'progress is told');
is(query('SELECT model, version, active FROM predictor.model_versions WHERE version > 0'), 'm|1|t', 'version 1 is active');
is(query("SELECT state, version, promoted, engine FROM predictor.training_jobs WHERE state = 'done'"),
	'done|1|t|embedded', 'the job is on record');

my $engine = engine_pid();
like(query('SELECT url, state FROM predictor.engine'), qr/^https:\/\/127\.0\.0\.1:\d+\|running$/, 'it still runs');
SKIP:
{
	skip 'no /proc here', 6 unless -r "/proc/$engine/stat";
	is((split ' ', slurp_file("/proc/$engine/stat"))[18], 10, 'niced');
  SKIP:
	{
		# in some containers /proc is read-only, and then nobody's score can be changed
		skip '/proc cannot be written here', 1 unless open(my $own, '>', '/proc/self/oom_score_adj');
		is(slurp_file("/proc/$engine/oom_score_adj"), "1000\n", 'the first victim when memory runs out');
	}
	my @foreign = grep { defined && m{\Q$data\E/(base|global|pg_wal)|socket.*5432} }
	  map { readlink } glob("/proc/$engine/fd/*");
	is(scalar(@foreign), 0, "none of PostgreSQL's files are open in it");
	unlike(slurp_file("/proc/$engine/maps"), qr{/dev/zero|/SYSV|PostgreSQL}, 'nor its shared memory');
	unlike(slurp_file("/proc/$engine/environ"), qr/PGDATA|LD_PRELOAD/, 'nor its environment');
	my ($threads, $memory) = split /\|/, query("SELECT (SELECT setting FROM pg_settings WHERE name = 'predictor.engine_threads'), "
		  . "(SELECT setting FROM pg_settings WHERE name = 'predictor.engine_memory')");
	like(slurp_file("/proc/$engine/cmdline"), qr/--threads\x{0}$threads\x{0}--memory\x{0}$memory\x{0}/, 'its threads and memory are limited');
}
my ($directory) = engine_directories();
is((stat $directory)[2] & 07777, 0700, 'its certificates are in a private directory');

is(query("SELECT state, version, promoted FROM predictor.train('m', promote => false)"), 'done|2|f',
	'a version that is not promoted');
is(engine_pid(), $engine, 'made by the same engine');
is(query("SELECT active_version FROM predictor.models"), '1', 'leaves the active one alone');

# --- without waiting; one at a time; another version gets active meanwhile ---

is(query("SELECT state FROM predictor.train('m', wait => false)"), 'requested', 'wait => false returns at once');
($code, $out, $err) = $node->psql('postgres', "SELECT predictor.train('m')");
like($err, qr/model "m" is being trained already\nDETAIL:  Job .*\nHINT: /, 'one training of a model at a time');
ok(wait_for_phase("epoch > 0 AND max_epochs > 0 AND loss IS NOT NULL AND validation_q50 >= 1 AND eta_seconds >= 0 AND device = 'cpu'"),
	'its progress can be seen');
query("SELECT predictor.activate('m', 2)");
$node->poll_query_until('postgres', "SELECT count(*) = 3 FROM predictor.training_jobs WHERE state = 'done'");
is(query("SELECT promoted FROM predictor.training_jobs WHERE version = 3"), 'f',
	'a version that was activated by hand is not replaced');
is(query("SELECT active_version FROM predictor.models"), '2', 'and stays');

# --- cancelling ---

foreach my $case (
	[ 'cancel_training', 'SELECT count(predictor.cancel_training(job)) FROM predictor.training_progress()',
		qr/ERROR:  training of model "m" was cancelled/ ],
	[ 'Ctrl-C', "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'SELECT state FROM predictor.train%'",
		qr/ERROR:  canceling statement due to user request/ ],
	[ 'the end of the session', "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'SELECT state FROM predictor.train%'",
		qr/terminating connection/ ])
{
	my ($name, $statement, $message) = @$case;
	my $session = begin_training();
	ok(wait_for_phase($engine_works), "a training is going on");
	is(query($statement), '1', $name);
	($out, $err) = end_training($session);
	like($err, $message, "$name cancels it");
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM predictor.training_progress()");
	is(query('SELECT state FROM predictor.training_jobs ORDER BY requested_at DESC LIMIT 1'), 'cancelled',
		'which is on record');
}
is(query('SELECT predictor.cancel_training(gen_random_uuid())'), 'f', 'an unknown job cannot be cancelled');

# --- the engine dies, idles, and goes with the server in every way of dying ---

my $session = begin_training();
ok(wait_for_phase($engine_works), 'the engine is killed while it trains');
$engine = engine_pid();
kill 'KILL', $engine;
($out, $err) = end_training($session);
like($err, qr/ERROR:  the server's own engine ended during the training of model "m": it was ended by signal 9/,
	'the training fails and says why');
like(query('SELECT state, error FROM predictor.engine'), qr/^failed\|it was ended by signal 9/, 'so does the view');
is(query("SELECT state FROM predictor.train('m')"), 'done', 'the next training starts another engine');

$engine = engine_pid();
configure('predictor.engine_idle_timeout' => '1s');
query('SELECT count(*) FROM item');
is(query("SELECT state FROM predictor.train('m')"), 'done', 'an engine that nobody wants');
$node->restart;
ok(ends($engine), 'ends with the server');
is(query("SELECT state FROM predictor.train('m')"), 'done', 'or when it was idle');
$engine = engine_pid();
ok($node->poll_query_until('postgres', "SELECT state = 'stopped' FROM predictor.engine"), 'long enough');
ok($engine eq '' || ends($engine), 'which is true');
ok(wait_for(sub { scalar(engine_directories()) == 0 }), 'its certificates are gone');
configure('predictor.engine_idle_timeout' => '1min');

foreach my $way ('keeper killed', 'immediate stop', 'postmaster killed')
{
	$session = begin_training();
	ok(wait_for_phase($engine_works), "$way: the engine trains");
	$engine = engine_pid();
	my $postmaster = (split /\n/, slurp_file("$data/postmaster.pid"))[0];
	if ($way eq 'keeper killed')
	{
		# in shared memory alone: the keeper has no session
		my ($keeper) = slurp_file("/proc/$engine/status") =~ /^PPid:\s+(\d+)/m;
		kill 'KILL', $keeper;
	}
	elsif ($way eq 'immediate stop') { $node->stop('immediate'); }
	else { $node->kill9; }
	ok(ends($engine), "$way: the engine is gone");
	end_training($session);
	if ($way eq 'keeper killed') { $node->poll_query_until('postgres', 'SELECT true'); }
	else
	{
		# a killed postmaster's lock file is in the way for as long as its process can be seen
		for (1 .. 1800)
		{
			last unless kill 0, $postmaster;
			usleep(100_000);
		}
		$node->start;
	}
}
is(query("SELECT state FROM predictor.train('m')"), 'done', 'and the next training works');
is(query("SELECT count(*) FROM predictor.training_job WHERE state = 'running'"), '0',
	'what was interrupted is not called running for ever');
is(scalar(engine_directories()), 1, 'nothing of the dead engines is left');
my $active = query('SELECT active_version FROM predictor.models');

configure('predictor.engine_program' => '/nowhere/predictord');
$node->restart;
($code, $out, $err) = $node->psql('postgres', "SELECT predictor.train('m')");
like($err, qr/could not start the server's own engine: program "\/nowhere\/predictor-certs" cannot be run/,
	'a program that is not there is named');
is(query('SELECT state, failures FROM predictor.engine'), 'failed|1', 'and the failure counted');

# --- engines elsewhere ---

my $certs = tempdir(CLEANUP => 1);
foreach my $command (
	"init --dir $certs/ours", "server --dir $certs/ours --out $certs/server 127.0.0.1",
	"client --dir $certs/ours --out $certs/client primary.example", "init --dir $certs/other",
	"client --dir $certs/other --out $certs/stranger primary.example")
{
	system("predictor-certs $command >>$certs/log 2>&1") == 0 or die slurp_file("$certs/log");
}

sub fails_with
{
	my ($pattern, $name) = @_;
	($code, $out, $err) = $node->psql('postgres', "SELECT predictor.train('m')");
	like($err, $pattern, $name);
	return;
}

my $closed = PostgreSQL::Test::Cluster::get_free_port();
configure(
	'predictor.ssl_ca_file' => "$certs/client/ca.crt",
	'predictor.ssl_cert_file' => "$certs/client/client.crt",
	'predictor.ssl_key_file' => "$certs/client/client.key",
	'predictor.engine_url' => "https://127.0.0.1:$closed");
is(query('SELECT url, embedded, state FROM predictor.engine'), "https://127.0.0.1:$closed|f|configured",
	'an engine elsewhere is configured');
fails_with(qr/could not connect to engine at https:\/\/127\.0\.0\.1:$closed: Connection refused\nHINT: /,
	'nobody listens there');

# Accepts and says nothing: a request hangs, and nobody else may notice.
my $silent = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die;
configure(
	'predictor.engine_url' => 'https://127.0.0.1:' . $silent->sockport,
	'predictor.connect_timeout' => '10min');
query('CREATE DATABASE bystander');
$session = begin_training();
ok(wait_for_phase("phase = 'waiting for the engine'"), 'the engine hangs');
is( $node->psql('postgres', 'DROP DATABASE bystander', extra_params => [ '-c', "SET statement_timeout = '5s'" ]),
	0, 'DROP DATABASE of another database is not held up');
query('SELECT count(predictor.cancel_training(job)) FROM predictor.training_progress()');
($out, $err) = end_training($session);
like($err, qr/ERROR:  training of model "m" was cancelled/, 'and the training can be cancelled');
configure('predictor.connect_timeout' => '300ms');
fails_with(qr/could not connect to engine at https:\S+: no connection within 300 ms/, 'or given up');
$silent->close;

my $address = '127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
my $remote;

sub start_remote
{
	unlink "$certs/port";
	$remote = IPC::Run::start(
		[ 'predictord', 'serve', '--listen', $address, '--data-dir', "$certs/store",
			'--ca-dir', "$certs/server", '--port-file', "$certs/port", '--threads', '1' ],
		'<', \undef, '>>', "$certs/engine.log", '2>&1');
	for (1 .. 1800)
	{
		return if -s "$certs/port";
		usleep(100_000);
	}
	die slurp_file("$certs/engine.log");
}

start_remote();
configure('predictor.engine_url' => "https://$address", 'predictor.connect_timeout' => '10s');
$session = begin_training();
ok(wait_for_phase($engine_works), 'an engine elsewhere trains');
$remote->signal('KILL');
$remote->finish;
start_remote();
($out, $err) = end_training($session);
is($out, "done\n", 'and goes on after it was killed and started again') or diag($err);

configure('predictor.ssl_ca_file' => "$certs/stranger/ca.crt");
fails_with(qr/engine at https:\S+: its certificate is not accepted: .*certificate.*\nHINT:  .*stranger\/ca\.crt/,
	'a wrong authority');
configure(
	'predictor.ssl_ca_file' => "$certs/client/ca.crt",
	'predictor.ssl_cert_file' => "$certs/stranger/client.crt",
	'predictor.ssl_key_file' => "$certs/stranger/client.key");
fails_with(qr/engine at https:\S+: it does not accept our certificate: unknown ca\nHINT:  .*stranger\/client\.crt/,
	"a certificate that the engine refuses, which TLS 1.3 tells only after the handshake");
configure(
	'predictor.ssl_cert_file' => "$certs/client/client.crt",
	'predictor.ssl_key_file' => "$certs/client/client.key");
chmod 0644, "$certs/client/client.key";
fails_with(qr/the private key ".*client\.key" cannot be used: it is missing, or not private\nHINT:  .*0600/, 'a key that others can read');
chmod 0600, "$certs/client/client.key";
(my $host = $address) =~ s/127\.0\.0\.1/localhost/;
configure('predictor.engine_url' => "https://$host");
fails_with(qr/its certificate is not accepted: .*localhost/, 'a name that is not in its certificate');
configure('predictor.engine_url' => "http://$address");
fails_with(qr/could not connect to engine at http:.*\nHINT:  predictor\.engine_url must look like https:/,
	'plain HTTP is not spoken');
configure('predictor.engine_url' => "https://$address");
is(query("SELECT state FROM predictor.train('m')"), 'done', 'after all of that it trains again');

$remote->signal('TERM');
$remote->finish;
$node->stop;
done_testing();
