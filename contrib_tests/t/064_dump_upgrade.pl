# What survives pg_dump and pg_upgrade: models and the key do, and answer as before; history does not survive a dump; and
# under pg_upgrade no worker starts.
use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $settings = "predictor.operator_sample_rate = 1\nmax_parallel_workers_per_gather = 0\n";
my $node = new_server('old', $settings);
$node->safe_psql('postgres', <<'EOS');
CREATE TABLE item AS SELECT g AS id, g % 100 AS kind FROM generate_series(1, 2000) g;
ANALYZE item;
SELECT predictor.create_model('orders', options => '{"max_epochs": 3}'), predictor.create_model('untrained');
EOS
$node->safe_psql('postgres', join(";\n", map { ("SELECT count(*) FROM item WHERE kind < $_", "SELECT kind, count(*) FROM item WHERE id > $_ GROUP BY 1") } 1 .. 60)
	  . ';SELECT predictor.flush()');
is($node->safe_psql('postgres', "SELECT state FROM predictor.train('orders')"), 'done', 'a model is trained');
$node->safe_psql('postgres', "SELECT predictor.activate('orders', 1)");
my $verdict = $node->safe_psql('postgres', "SELECT origin, verdict FROM predictor.model_versions WHERE model = 'orders' AND active");

# What the models say of statements that were seen, of others like them, and of one that is unlike any.
my $answers = join ";\n", map { "SELECT total_ms, low_ms, high_ms, rows, memory_kb, source, version FROM predictor.predict_total('$_->[1]', '$_->[0]')" }
  ([ orders => 'SELECT count(*) FROM item WHERE kind < 7' ], [ orders => 'SELECT count(*) FROM item WHERE kind < 99' ],
	[ orders => 'SELECT max(id) FROM item a JOIN item b USING (id)' ], [ untrained => 'SELECT count(*) FROM item' ]);
my $answered = $node->safe_psql('postgres', $answers);
is(() = $answered =~ /\|1$/mg, 3, 'it answers');

# The same there, once its tables have statistics again.
sub answers_as_before
{
	my ($server, $database, $name) = @_;
	$server->safe_psql($database, 'SET predictor.enabled = off; ANALYZE item');
	return is($server->safe_psql($database, $answers), $answered, $name);
}
my $key = $node->safe_psql('postgres', 'SELECT id, encode(key, $$hex$$) FROM predictor.hash_key');
my $models = $node->safe_psql('postgres', 'SELECT name, uuid, active_version FROM predictor.model');
my $versions = $node->safe_psql('postgres', 'SELECT version, encode(sha256, $$hex$$), md5(bundle) FROM predictor.model_version');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM predictor.executions'), '>', 0, 'there is history');

# --- pg_dump and pg_restore ---

my $dump = tempdir(CLEANUP => 1) . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'a database is dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
# what restoring runs is no history of the new database's
$ENV{PGOPTIONS} = '-c predictor.enabled=off';
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'and restored');
delete $ENV{PGOPTIONS};
is($node->safe_psql('restored', 'SELECT id, encode(key, $$hex$$) FROM predictor.hash_key'), $key, 'the key is the one that was dumped');
is($node->safe_psql('restored', 'SELECT name, uuid, active_version FROM predictor.model'), $models, 'models are there');
is($node->safe_psql('restored', 'SELECT version, encode(sha256, $$hex$$), md5(bundle) FROM predictor.model_version'), $versions,
	'and their versions with their bundles');
answers_as_before($node, 'restored', 'which answer as before');
is($node->safe_psql('restored', 'SET predictor.enabled = off; SELECT count(*) FROM predictor.execution'), '0', 'history stays behind');
$node->safe_psql('restored', 'SELECT predictor.flush(); SELECT count(*) FROM pg_class; SELECT predictor.flush()');
cmp_ok($node->safe_psql('restored', 'SELECT count(*) FROM predictor.executions'), '>', 0, 'and begins anew');

# --- into another cluster ---

my $other = new_server('other', $settings);
$other->safe_psql('postgres', 'DROP EXTENSION predictor; DROP SCHEMA predictor');
$ENV{PGOPTIONS} = '-c predictor.enabled=off';
$other->command_ok([ 'pg_restore', '--exit-on-error', '-d', $other->connstr('postgres'), $dump ], 'the dump is restored in another cluster');
delete $ENV{PGOPTIONS};
is($other->safe_psql('postgres', 'SELECT id, encode(key, $$hex$$) FROM predictor.hash_key'), $key, 'with the key');
answers_as_before($other, 'postgres', 'and its models answer as before');
is($other->safe_psql('postgres', "SELECT origin, verdict FROM predictor.model_versions WHERE model = 'orders' AND active"), $verdict,
	'with the verdict of that time');
$other->stop;

# --- pg_upgrade ---

$node->safe_psql('postgres', 'DROP DATABASE restored');
$node->stop;
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
$new->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}) . $settings . "jit = off\nautovacuum = off\npredictor.max_captures_per_second = 100000\n");
my $bindir = $node->config_data('--bindir');
my $directory = tempdir(CLEANUP => 1);
chdir $directory;
command_ok([ 'pg_upgrade', '--no-sync', '-d', $node->data_dir, '-D', $new->data_dir, '-b', $bindir, '-B', $bindir,
	'-s', $directory, '-p', $node->port, '-P', $new->port ], 'a cluster is upgraded with the library loaded');
unlike(join('', map { slurp_file($_) } glob($new->data_dir . '/pg_upgrade_output.d/*/log/*'), glob("$directory/*.log")), qr/predictor (launcher|collector|publisher)/,
	'no worker of ours has run meanwhile');
$new->start;
is($new->safe_psql('postgres', 'SELECT id, encode(key, $$hex$$) FROM predictor.hash_key'), $key, 'the key is there');
is($new->safe_psql('postgres', 'SELECT name, uuid, active_version FROM predictor.model'), $models, 'models are there');
ok(wait_for_sql($new, 'postgres', 'SELECT predictor.flush()'), 'and collection goes on');
answers_as_before($new, 'postgres', 'the models answer as before');
my $stored = $new->safe_psql('postgres', 'SET predictor.enabled = off; SELECT count(*) FROM predictor.executions');
$new->safe_psql('postgres', 'SELECT count(*) FROM pg_attribute; SELECT predictor.flush()');
cmp_ok($new->safe_psql('postgres', 'SET predictor.enabled = off; SELECT count(*) FROM predictor.executions'), '>', $stored, 'in the history that the old cluster had');

$new->stop;
done_testing();
