# Databases and extensions come and go while workers store: nobody waits for us, and nothing of anybody else's is touched.
use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;
use Time::HiRes qw(time);

my $node = new_server('main', "predictor.flush_interval = 50ms\nmax_worker_processes = 8\n");
my ($code, $out, $err);

# Statements of many shapes, so that the workers have something to do.
my $statements = join '', map { "SELECT $_ + count(*) FROM generate_series(1, $_) g WHERE g > $_;\n" } 1 .. 300;

# Runs a command, and returns the seconds that it takes.
sub timed
{
	my ($what, $database, $sql) = @_;
	my $start = time;
	my ($code, $out, $err) = $node->psql($database, $sql);
	is($code, 0, $what) or diag($err);
	return time - $start;
}

# What the commands take at most where the workers have stored what there was and have gone.
my %usual;
sub measure_usual
{
	my %take = (
		'CREATE DATABASE' => [ 'postgres', 'CREATE DATABASE other TEMPLATE quiet' ],
		'ALTER DATABASE' => [ 'postgres', 'ALTER DATABASE quiet RENAME TO silent' ],
		'DROP EXTENSION' => [ 'silent', 'DROP EXTENSION predictor; DROP SCHEMA predictor' ],
		'DROP DATABASE' => [ 'postgres', 'DROP DATABASE silent' ]);
	$node->safe_psql('postgres', 'CREATE DATABASE quiet');
	$node->safe_psql('quiet', 'CREATE EXTENSION predictor; SELECT predictor.flush()');
	$node->safe_psql('quiet', $statements);
	$node->safe_psql('quiet', 'SELECT predictor.flush()');
	foreach my $kind ('CREATE DATABASE', 'ALTER DATABASE', 'DROP EXTENSION', 'DROP DATABASE')
	{
		$usual{$kind} = timed("$kind where nothing is to be done", @{ $take{$kind} });
	}
	$node->safe_psql('postgres', 'DROP DATABASE other');
	return;
}

# At most a second more than usual, or than four times as usual: a machine may have other work, and a checkpoint more of it.
sub not_kept_waiting
{
	my ($what, $database, $sql) = @_;
	my ($kind) = $sql =~ /^(\w+ \w+)/;
	cmp_ok(timed($what, $database, $sql), '<', 1 + 4 * $usual{$kind}, '... and nobody waits a second for a worker');
}
measure_usual();

# --- commands that need a database without sessions ---

foreach my $round (1 .. 3)
{
	$node->safe_psql('postgres', 'CREATE DATABASE busy');
	$node->safe_psql('busy', 'CREATE EXTENSION predictor; SELECT predictor.flush()');
	$node->safe_psql('busy', $statements);
	not_kept_waiting("round $round: CREATE DATABASE ... TEMPLATE", 'postgres', 'CREATE DATABASE copy TEMPLATE busy');
	$node->safe_psql('busy', $statements);
	not_kept_waiting("round $round: ALTER DATABASE ... RENAME", 'postgres', 'ALTER DATABASE busy RENAME TO renamed');
	$node->safe_psql('renamed', $statements);
	is($node->safe_psql('renamed', 'SELECT predictor.flush()'), 't', 'the renamed database is stored in');
	cmp_ok($node->safe_psql('renamed', 'SELECT count(*) FROM predictor.executions'), '>=', 900,
		'and what workers had to leave undone is there');
	$node->safe_psql('copy', $statements);
	not_kept_waiting("round $round: DROP DATABASE", 'postgres', 'DROP DATABASE copy');
	$node->safe_psql('renamed', $statements);
	not_kept_waiting("round $round: DROP DATABASE of the other", 'postgres', 'DROP DATABASE renamed');
}

# A command that fails gives the database back.
$node->safe_psql('postgres', 'CREATE DATABASE busy');
$node->safe_psql('busy', 'CREATE EXTENSION predictor; SELECT predictor.flush()');
my $session = open_session($node, 'busy');
($code, $out, $err) = $node->psql('postgres', 'ALTER DATABASE busy RENAME TO renamed');
like($err, qr/is being accessed by other users/, 'a rename fails while somebody is there');
session_ask($session, 'SELECT 1 + 1');
session_close($session);
is($node->safe_psql('busy', 'SELECT predictor.flush()'), 't', 'afterwards the database is stored in as before');

# --- DROP EXTENSION while workers store, and relations that look like ours ---

$node->safe_psql('postgres', 'CREATE ROLE mallory; GRANT CREATE ON DATABASE busy TO mallory');
foreach my $round (1 .. 5)
{
	$node->safe_psql('busy', $statements);
	not_kept_waiting("round $round: DROP EXTENSION", 'busy', 'DROP EXTENSION predictor; DROP SCHEMA predictor');
	# tables that do something when they are written to, in the place of ours
	$node->safe_psql('busy', <<'EOS');
SET ROLE mallory;
CREATE SCHEMA predictor;
CREATE TABLE predictor.plan (signature bigint);
CREATE TABLE predictor.execution (id bigint);
CREATE TABLE predictor.hash_key (id bigint, key bytea);
INSERT INTO predictor.hash_key VALUES (1, '\x00112233445566778899aabbccddeeff');
CREATE TABLE predictor.history_segment (current smallint, records bigint, started_at timestamptz);
INSERT INTO predictor.history_segment VALUES (0, 0, now());
CREATE SEQUENCE predictor.execution_id;
EOS
	$node->safe_psql('busy', $statements);
	$node->safe_psql('postgres', 'SELECT predictor.flush()');
	is($node->safe_psql('busy', 'SELECT (SELECT count(*) FROM predictor.plan) + (SELECT count(*) FROM predictor.execution)'),
		'0', 'nothing is written to tables that only look like ours');
	$node->safe_psql('busy', 'DROP SCHEMA predictor CASCADE; CREATE EXTENSION predictor; SELECT predictor.flush()');
	$node->safe_psql('busy', 'SELECT 4 + 4; SELECT predictor.flush()');
	cmp_ok($node->safe_psql('busy', 'SELECT count(*) FROM predictor.executions'), '>', 0, 'a new extension is stored in at once');
}

# A DROP EXTENSION that waits in its transaction keeps records waiting, and no more.
$session = open_session($node, 'busy');
session_ask($session, 'BEGIN; DROP EXTENSION predictor');
$node->safe_psql('busy', 'SELECT 5 + 5');
ok(wait_for(sub { $node->safe_psql('postgres', 'SELECT value FROM predictor.stat WHERE name = $$flush_failures$$') > 0 }),
	'a collector gives up its lock');
session_ask($session, 'ROLLBACK');
session_close($session);
ok(wait_for(sub { $node->safe_psql('busy', 'SELECT predictor.flush()') eq 't' }), 'and the records are stored later');
$node->safe_psql('postgres', 'DROP DATABASE busy');

# --- a hundred databases ---

# Thirty thousand files: in memory, if there is room for them.
my ($free) = (`df -Pk /dev/shm 2>/dev/null` // '') =~ /(\d+)\s+\d+%/;
my $fast = ($free // 0) > 2_000_000 ? tempdir(DIR => '/dev/shm', CLEANUP => 1) : tempdir(CLEANUP => 1);
$node->safe_psql('postgres', "CREATE TABLESPACE fast LOCATION '$fast'");
$node->safe_psql('postgres', 'CREATE DATABASE many TABLESPACE fast');
$node->safe_psql('many', 'CREATE EXTENSION predictor');
my $strategy = $node->pg_version >= 15 ? 'STRATEGY file_copy' : '';
$node->safe_psql('postgres', join "\n", map { "CREATE DATABASE many_$_ TEMPLATE many TABLESPACE fast $strategy;" } 1 .. 99);
my @names = map { "many_$_" } 1 .. 99;

# Runs the same in all of them, over one connection each; returns the lines of output.
sub in_each
{
	my ($sql) = @_;
	return split /\n/, $node->safe_psql('postgres', join '', map { "\\c $_\n$sql;\n" } @names);
}

in_each('SELECT 6 + 6');    # introduces them
is($node->safe_psql('postgres', 'SELECT predictor.flush()'), 't', 'a hundred databases are looked into');
in_each('SELECT 7 + count(*) FROM pg_class');
is($node->safe_psql('postgres', 'SELECT predictor.flush()'), 't', 'and flushed');
my @counts = in_each('SET predictor.enabled = off; SELECT count(*) FROM predictor.executions WHERE nodes = 2');
is(scalar(grep { $_ >= 1 } @counts), 99, 'each has its own records, with eight worker processes');
$node->restart;
ok(wait_for_sql($node, 'postgres', 'SELECT predictor.flush()'), 'after a restart each is looked into');
my $dropped = counter($node, 'dropped_unknown_database');
in_each('SELECT 8 + 8');
is(counter($node, 'dropped_unknown_database'), $dropped, 'before anything is captured there');

# --- how many workers there are, and what binds them ---

my $history = 'SET predictor.enabled = off; SELECT count(*) FROM predictor.execution';
$node->safe_psql('postgres', "ALTER DATABASE many_1 SET $_") foreach 'default_transaction_read_only = on', "statement_timeout = '1ms'",
	'search_path = nowhere', "lock_timeout = '1ms'", 'default_transaction_isolation = serializable', 'role = mallory';
{
	local $ENV{PGOPTIONS} = '-c statement_timeout=0 -c role=none -c search_path=public';
	my $before = $node->safe_psql('many_1', $history);
	$node->safe_psql('many_1', 'SELECT 9 + 9');
	is($node->safe_psql('many_1', 'SELECT predictor.flush()'), 't', 'a database whose sessions may hardly do anything is stored in');
	is($node->safe_psql('many_1', $history), $before + 1, 'as any other');
}

# Three databases in which a collector has to wait.
my @sessions = map { open_session($node, "many_$_", '-c predictor.enabled=off') } 2 .. 4;
session_ask($_, 'BEGIN; LOCK TABLE predictor.execution') foreach @sessions;
$node->safe_psql("many_$_", 'SELECT 10 + 10') foreach 2 .. 4;
my $collectors = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'predictor collector'";
ok(wait_for_sql($node, 'postgres', $collectors, '2'), 'predictor.max_workers collectors work at a time');
my $most = $node->safe_psql('postgres', "SET predictor.enabled = off; CREATE TEMP TABLE seen (n bigint); DO \$\$ BEGIN FOR i IN 1..200 LOOP "
	. "PERFORM pg_stat_clear_snapshot(); INSERT INTO seen $collectors; PERFORM pg_sleep(0.01); END LOOP; END \$\$; SELECT max(n) FROM seen");
cmp_ok($most, '<=', 2, 'and never more');
session_ask($_, 'ROLLBACK'), session_close($_) foreach @sessions;
ok(wait_for_sql($node, 'postgres', 'SELECT predictor.flush()'), 'all of them are stored in the end');

$node->stop;
done_testing();
