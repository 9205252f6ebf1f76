# How a model that becomes active reaches those who predict: one verified copy for all backends, switched
# at commit and at its replay on a standby, and never by what is rolled back or broken.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', <<'EOC');
predictor.operator_sample_rate = 1
predictor.max_captures_per_second = 100000
jit = off
max_parallel_workers_per_gather = 0
max_connections = 230
autovacuum = off
EOC
$node->start;

my ($code, $out, $err);
sub query { return $node->safe_psql('postgres', $_[0]); }
sub version_that_answers { return query("SELECT version FROM predictor.predict_total('SELECT count(*) FROM item')"); }

# What follows this place in the log matches so often.
sub log_count
{
	my ($server, $from, $pattern) = @_;
	my $count = () = substr(slurp_file($server->logfile), $from) =~ /$pattern/g;
	return $count;
}

query(<<'EOS');
CREATE EXTENSION predictor;
CREATE TABLE item (id int PRIMARY KEY, kind int, name text);
INSERT INTO item SELECT g, g % 50, 'item ' || g FROM generate_series(1, 20000) g;
VACUUM ANALYZE item;
SELECT predictor.flush();
SELECT predictor.create_model('m');
EOS
my @workload = map { ("SELECT count(*) FROM item WHERE kind = $_", "SELECT name FROM item WHERE id = $_") } 1 .. 60;
query(join(";\n", @workload));
query('SELECT predictor.flush()');
is(query("SELECT state || version FROM predictor.train('m')"), 'done1', 'a model is trained');
is(version_that_answers(), '1', 'and answers');

# A second version with the same content under another number is enough to see which one answers.
my $others = "SELECT (jsonb_populate_record(v, jsonb_build_object('version', %d, 'job', gen_random_uuid(), 'sha256', %s, 'bundle', %s))).*"
  . ' FROM predictor.model_version v WHERE version = 1';
my $insert = sub {
	my ($version, $bundle, $sha256) = @_;
	query(sprintf("INSERT INTO predictor.model_version $others", $version, $sha256 // 'v.sha256', $bundle // 'v.bundle'));
};
$insert->(2);

# --- commit and rollback ---

my $generation = query('SELECT generation FROM predictor.serving');
is( $node->safe_psql('postgres', "BEGIN; SELECT predictor.activate('m', 2); ROLLBACK;"
		  . "SELECT version FROM predictor.predict_total('SELECT 1')"),
	"\n1", 'an activation that is rolled back changes nothing');
is(query('SELECT version, generation FROM predictor.serving'), "1|$generation", 'and publishes nothing');
is( $node->safe_psql('postgres', "BEGIN; SELECT predictor.activate('m', 2);"
		  . "SELECT version FROM predictor.predict_total('SELECT 1'); COMMIT;"
		  . "SELECT version FROM predictor.predict_total('SELECT 1')"),
	"\n1\n2", 'an activation switches at commit, in the session that made it');
is(version_that_answers(), '2', 'and in others');
query("SELECT predictor.activate('m', 1)");
is(version_that_answers(), '1', 'also backwards');

# --- a broken bundle ---

my $flipped = 'set_byte(v.bundle, 5000, 255 - get_byte(v.bundle, 5000))';
$insert->(3, $flipped);
$insert->(4, $flipped, "sha256($flipped)");
$insert->(5, 'substr(v.bundle, 1, 900)', 'sha256(substr(v.bundle, 1, 900))');
foreach my $case ([ 3, 'differs from the checksum in its row' ], [ 4, 'checksum' ], [ 5, '\w+' ])
{
	my ($version, $why) = @$case;
	my $from = -s $node->logfile;
	query("SELECT predictor.activate('m', $version)");
	is(version_that_answers(), '1', "version $version is broken, and the last good one answers");
	query("UPDATE predictor.model SET name = name") for 1 .. 3;
	is(version_that_answers(), '1', 'for as long as it takes');
	is(log_count($node, $from, "WARNING:  version $version of model \"m\" cannot be used: .*$why"), 1, 'with one warning');
	like(query('SELECT active_version, version, problem FROM predictor.serving'), qr/^$version\|1\|.*$why/,
		'and a line in predictor.serving');
}
query("UPDATE predictor.model_version SET bundle = v.bundle, sha256 = v.sha256 FROM"
	  . " (SELECT * FROM predictor.model_version WHERE version = 1) v WHERE model_version.version = 5");
is(version_that_answers(), '5', 'a repaired row is taken up');

# --- one copy for all, which goes with its last reader ---

sub bundle_mappings
{
	my ($pid) = @_;
	return grep { /predictor\.\d+\.\d+\.bundle/ } split /\n/, slurp_file("/proc/$pid/maps");
}

sub bundle_files { return map { s/.*\///r } glob($node->data_dir . '/pg_stat_tmp/predictor.*'); }

SKIP:
{
	skip 'needs /proc', 1 unless -r "/proc/$$/maps";
	my $backends = 200;
	my $script = PostgreSQL::Test::Utils::tempdir() . '/predict.sql';
	append_to_file($script, "SELECT pg_advisory_lock_shared(version * 0 + 5) FROM predictor.predict_total('SELECT count(*) FROM item');\n");
	my ($stdin, $stdout) = ("SELECT pg_advisory_lock(5);\n", '');
	my $holder = IPC::Run::start([ 'psql', '-XAt', '-d', $node->connstr('postgres') ], '<', \$stdin, '>', \$stdout);
	$holder->pump while $stdin ne '';
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"),
		'a lock stops the readers where all have predicted');
	my ($bench_out, $bench_err) = ('', '');
	my $bench = IPC::Run::start(
		[ 'pgbench', '-n', '-c', $backends, '-j', '2', '-t', '1', '-f', $script, '-d', $node->connstr('postgres') ],
		'>', \$bench_out, '2>', \$bench_err);
	ok($node->poll_query_until('postgres',
			"SELECT count(*) = $backends FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"),
		"$backends backends have predicted") or diag($bench_err);
	my @pids = split /\n/, query("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
	my %inodes;
	my $wrong = 0;
	foreach my $pid (@pids)
	{
		my @mappings = bundle_mappings($pid);
		$wrong++ if @mappings != 1 || $mappings[0] !~ / r--s /;
		$inodes{ (split ' ', $_)[4] }++ for @mappings;
	}
	is($wrong, 0, 'each has mapped it once, to read only');
	is(scalar(keys %inodes), 1, 'and all the same file');
	is(scalar(my @files = bundle_files()), 1, 'which is the only one');
	query("SELECT predictor.activate('m', 2)");
	is(version_that_answers(), '2', 'another version is activated while they hold it');
	is(scalar(@files = bundle_files()), 1, 'again there is one file');
	is(scalar(grep { / \(deleted\)$/ } map { bundle_mappings($_) } @pids), $backends, 'while the old one lives with its readers');
	$stdin .= "SELECT pg_advisory_unlock(5);\n\\q\n";
	$holder->finish;
	$bench->finish;
	like($bench_out, qr/processed: $backends\/$backends/, 'none of which failed') or diag($bench_err);
}

# --- a crash between commit and publication ---

# What the launcher does not start is not published: stopped, it holds the moment between the two.
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
my ($launcher) = map { /^ *(\d+) .*predictor launcher/ } `ps --ppid $postmaster -o pid=,args=`;
ok($launcher, 'the launcher runs');
kill 'STOP', $launcher;
query("SELECT predictor.activate('m', 1)");
is(version_that_answers(), '2', 'the last good version answers until the new one is published');
$node->stop('immediate');
kill 'CONT', $launcher;
$node->start;
is(version_that_answers(), '1', 'after a crash the committed one does');
is(scalar(my @left = bundle_files()), 1, 'and no file of before is left');

# --- a standby ---

$node->backup('base');
is(scalar(my @taken = glob($node->backup_dir . '/base/pg_stat_tmp/predictor.*')), 0, 'a base backup takes no bundle file along');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sub catch_up { $node->wait_for_catchup($standby, 'replay', $node->lsn('insert')); return; }

my $everything = join("\nUNION ALL ", map { "SELECT * FROM predictor.predict_total(\$q\$$_\$q\$)" } @workload[ 0 .. 19 ]);
catch_up();
my $on_standby = $standby->safe_psql('postgres', $everything);
like($on_standby, qr/\|m\|1\|/, 'a standby answers');
is($on_standby, query($everything), 'as its primary does, constants included');
is($standby->safe_psql('postgres', 'SELECT version, problem IS NULL FROM predictor.serving'), '1|t', 'and says so');
query("SELECT predictor.activate('m', 2)");
catch_up();
ok($standby->poll_query_until('postgres', "SELECT version = 2 FROM predictor.predict_total('SELECT 1')"),
	'an activation switches there when it is replayed');
$insert->(6, $flipped);
query("SELECT predictor.activate('m', 6)");
catch_up();
ok($standby->poll_query_until('postgres', 'SELECT active_version = 6 AND problem IS NOT NULL FROM predictor.serving'),
	'a broken one comes to its notice');
is($standby->safe_psql('postgres', "SELECT version FROM predictor.predict_total('SELECT 1')"), '2',
	'and is refused there too');
$node->stop;
$standby->promote;
$standby->safe_psql('postgres', 'SELECT count(*) FROM item WHERE kind = 3');
is($standby->safe_psql('postgres', 'SELECT predictor.flush()'), 't', 'promoted, it stores what it captures');
$standby->safe_psql('postgres', "SELECT predictor.activate('m', 1)");
is($standby->safe_psql('postgres', "SELECT version FROM predictor.predict_total('SELECT 1')"), '1', 'and publishes what is activated');

# --- another key ---

my $from = -s $standby->logfile;
$standby->safe_psql('postgres', "INSERT INTO predictor.hash_key VALUES (7, decode(repeat('ab', 16), 'hex'))");
for (1 .. 2)
{
	$standby->safe_psql('postgres', 'UPDATE predictor.model SET name = name');
	is($standby->safe_psql('postgres', "SELECT version, source <> 'baseline', out_of_distribution FROM predictor.predict_total('SELECT count(*) FROM item WHERE kind = 3')"), '1|t|f',
		'under another key a model answers still, and knows the plan by its shape');
}
is(log_count($standby, $from, 'WARNING:  version 1 of model "m" ignores constants'), 1, 'with one warning');

# --- what goes ---

$standby->safe_psql('postgres', "SELECT predictor.drop_model('m')");
($code, $out, $err) = $standby->psql('postgres', "SELECT predictor.predict_total('SELECT 1')");
like($err, qr/there is no model in this database/, 'a dropped model answers no more');
$standby->safe_psql('postgres', 'DROP EXTENSION predictor CASCADE');
($code, $out, $err) = $standby->psql('postgres', 'EXPLAIN (PREDICTOR) SELECT 1');
like($err, qr/no prediction: extension "predictor" is not installed/, 'nor does a dropped extension');
$standby->stop;

done_testing();
