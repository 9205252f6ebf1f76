# predictor.max_predicted_time: what is never judged, whatever the settings, and what a refused statement has not done.
# The limit is in force in the whole cluster, for superusers and nested statements as well, and nothing is below it.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', <<'EOC');
autovacuum_naptime = 1
jit = off
predictor.operator_sample_rate = 0
predictor.max_captures_per_second = 100000
predictor.max_predicted_time = 0.0001
predictor.limit_action = error
predictor.limit_unreliable = on
predictor.limit_nested = on
predictor.limit_superusers = on
EOC
$node->start;
# Sessions of this test are below the limit but where they lift that.
$ENV{PGOPTIONS} = '-c predictor.max_predicted_time=0';
my $limited = 'SET predictor.max_predicted_time = 0.0001';
my ($code, $out, $err);
sub query { return $node->safe_psql('postgres', $_[0]); }
sub run { ($code, $out, $err) = $node->psql('postgres', $_[0], @_[ 1 .. $#_ ]); return; }
sub counter { return query("SELECT value FROM predictor.stat WHERE name = '$_[0]'"); }

query(<<'EOS');
CREATE EXTENSION predictor;
CREATE EXTENSION postgres_fdw;
CREATE TABLE item (id int PRIMARY KEY, kind int);
INSERT INTO item SELECT g, g % 10 FROM generate_series(1, 20000) g;
CREATE TABLE part (item int);
INSERT INTO part SELECT g FROM generate_series(1, 20000) g;
VACUUM ANALYZE item, part;
CREATE ROLE app LOGIN;
SELECT predictor.create_model('m');
EOS
ok($node->poll_query_until('postgres', 'SELECT count(version) = 1 FROM predictor.serving'), 'a model answers');
run("$limited; SELECT count(*) FROM item");
like($err, qr/53400|predicted to take/, 'a statement is refused');
my $refused = counter('refused');

# --- our own workers ---

query('SELECT predictor.flush(); SELECT predictor.reset_history(); SELECT count(*) FROM item WHERE kind = 3');
is(query('SELECT predictor.flush()'), 't', 'our collector stores what is captured');
is(query('SELECT count(*) > 0 FROM predictor.execution WHERE predicted_total > 0'), 't', 'with its predictions');
query("SELECT predictor.create_model('n')");
ok($node->poll_query_until('postgres', 'SELECT count(version) = 2 FROM predictor.serving'), 'our publisher publishes');
query("SELECT predictor.drop_model('n')");
ok($node->poll_query_until('postgres', 'SELECT count(version) = 1 FROM predictor.serving'), 'and takes away');

# --- parallel workers ---

my $over = counter('over_limit');
run("$limited; SET predictor.limit_action = 'warning'; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
	  . 'SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2; EXPLAIN (ANALYZE) SELECT count(*) FROM item');
like($out, qr/Workers Launched: [12]/, 'a parallel statement') or diag($err);
is(counter('over_limit'), $over + 1, 'is judged once, by its leader');

# --- autovacuum ---

# ANALYZE computes the indexed expression, whose function runs a statement.
query(<<'EOS');
CREATE FUNCTION kind_of(item int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT kind FROM public.item WHERE id = $1); END $$;
CREATE TABLE watched (item int) WITH (autovacuum_analyze_threshold = 1, autovacuum_analyze_scale_factor = 0);
CREATE INDEX ON watched (kind_of(item));
INSERT INTO watched SELECT g FROM generate_series(1, 100) g;
EOS
ok($node->poll_query_until('postgres', q{SELECT autoanalyze_count > 0 FROM pg_stat_user_tables WHERE relname = 'watched'}),
	'autovacuum analyzes what it wants');
run("$limited; ANALYZE watched");
like($err, qr/predicted to take.*PL\/pgSQL function/s, 'where ANALYZE by hand is refused its function');

# --- apply workers ---

query(<<'EOS');
CREATE TABLE fed (a int PRIMARY KEY);
CREATE PUBLICATION feed FOR TABLE fed;
SELECT pg_create_logical_replication_slot('feed', 'pgoutput');
CREATE DATABASE copy;
EOS
my $connection = $node->connstr('postgres') . q{ options='-c predictor.max_predicted_time=0'};
$connection =~ s/'/''/g;
$node->safe_psql('copy', <<"EOS");
CREATE EXTENSION predictor;
SELECT predictor.create_model('m');
CREATE TABLE fed (a int PRIMARY KEY);
CREATE TABLE counted (a bigint);
CREATE FUNCTION count_fed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.counted SELECT count(*) FROM public.fed; RETURN NEW; END';
CREATE TRIGGER count_fed AFTER INSERT ON fed FOR EACH ROW EXECUTE FUNCTION count_fed();
ALTER TABLE fed ENABLE ALWAYS TRIGGER count_fed;
CREATE SUBSCRIPTION feed CONNECTION '$connection' PUBLICATION feed WITH (create_slot = false, copy_data = false);
EOS
ok($node->poll_query_until('copy', 'SELECT count(version) = 1 FROM predictor.serving'), 'another database has a model, too');
($code, $out, $err) = $node->psql('copy', "$limited; INSERT INTO counted SELECT count(*) FROM fed");
like($err, qr/predicted to take/, 'where a trigger\'s statement would be refused');
query('INSERT INTO fed VALUES (1)');
ok($node->poll_query_until('copy', 'SELECT count(*) = 1 FROM counted'), 'an apply worker\'s trigger runs it');
$node->safe_psql('copy', 'ALTER SUBSCRIPTION feed DISABLE; ALTER SUBSCRIPTION feed SET (slot_name = NONE); DROP SUBSCRIPTION feed');
ok($node->poll_query_until('postgres', q{SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'feed'}), 'it has gone');
query(q{SELECT pg_drop_replication_slot('feed')});

# --- referential integrity ---

run("$limited; ALTER TABLE part ADD CONSTRAINT of_item FOREIGN KEY (item) REFERENCES item ON DELETE CASCADE NOT VALID; ALTER TABLE part VALIDATE CONSTRAINT of_item");
is($code, 0, 'ALTER TABLE validates a foreign key') or diag($err);
# Without an index the cascade reads all of its table, and so is beyond what the statement itself may take.
my ($delete, $cascade) = split /\n/, query(q{SELECT total_ms FROM predictor.predict_total('DELETE FROM item WHERE id = 5');
	SELECT total_ms FROM predictor.predict_total('DELETE FROM ONLY part WHERE item = 5')});
cmp_ok($cascade, '>', 2 * $delete, 'a cascade is longer than its statement');
run("SET predictor.max_predicted_time = '@{[$delete * 1.5]}'; DELETE FROM item WHERE id = 5");
is($code, 0, 'it is not judged') or diag($err);
is(query('SELECT count(*) FROM part WHERE item = 5'), '0', 'and done');
run("SET predictor.max_predicted_time = '@{[$delete * 1.5]}'; DELETE FROM part WHERE item = 6");
isnt($code, 0, 'where the user himself may not');

# --- a refusal comes before the statement is started ---

my ($host, $port) = ($node->host, $node->port);
query(<<"EOS");
CREATE SERVER here FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres', options '-c predictor.max_predicted_time=0');
CREATE USER MAPPING FOR CURRENT_USER SERVER here;
CREATE FOREIGN TABLE there (id int, kind int) SERVER here OPTIONS (table_name 'item');
EOS
$node->psql('postgres', "$limited; SELECT count(*) FROM there; SET predictor.max_predicted_time = 0; SELECT count(*) FROM postgres_fdw_get_connections();"
	  . 'SELECT count(*) FROM there; SELECT count(*) FROM postgres_fdw_get_connections()', stdout => \$out, stderr => \$err, on_error_stop => 0);
like($err, qr/predicted to take/, 'a statement that reads a foreign table is refused');
is($out, "0\n19999\n1", 'before its server is connected to');
{
	local $ENV{PGOPTIONS} = '';
	run('SELECT count(*) FROM item', extra_params => [ '-U', 'app' ]);
	like($err, qr/permission denied for table item/, 'who may not read a table is told so, and not how long it would take');
}
$node->stop;

done_testing();
