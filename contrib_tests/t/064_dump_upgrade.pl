# What survives pg_dump and pg_upgrade: models and the key do, history does not; and under pg_upgrade no worker starts.
use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $node = new_server('old', "predictor.operator_sample_rate = 1\n");
$node->safe_psql('postgres', "SELECT predictor.create_model('orders'); SELECT count(*) FROM pg_class; SELECT predictor.flush()");
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
is($node->safe_psql('restored', 'SET predictor.enabled = off; SELECT count(*) FROM predictor.execution'), '0', 'history stays behind');
$node->safe_psql('restored', 'SELECT predictor.flush(); SELECT count(*) FROM pg_class; SELECT predictor.flush()');
cmp_ok($node->safe_psql('restored', 'SELECT count(*) FROM predictor.executions'), '>', 0, 'and begins anew');

# --- pg_upgrade ---

$node->safe_psql('postgres', 'DROP DATABASE restored');
$node->stop;
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
$new->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
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
my $stored = $new->safe_psql('postgres', 'SET predictor.enabled = off; SELECT count(*) FROM predictor.executions');
$new->safe_psql('postgres', 'SELECT count(*) FROM pg_attribute; SELECT predictor.flush()');
cmp_ok($new->safe_psql('postgres', 'SET predictor.enabled = off; SELECT count(*) FROM predictor.executions'), '>', $stored, 'in the history that the old cluster had');

$new->stop;
done_testing();
