# What openGauss's views show of conditions and projections: texts in its layout without a single literal, wherever a statement
# has one; how they come, and what becomes of them.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/..";

use File::Find;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

# The server's own log of statements would have all that is searched for below.
my $node = new_server('primary', <<'EOC', extra => [ '--encoding', 'UTF8' ]);
predictor.operator_sample_rate = 1
predictor.opengauss_capture = on
predictor.auto_train = off
max_parallel_workers_per_gather = 0
log_statement = none
log_min_error_statement = panic
log_min_duration_statement = -1
EOC
my ($secret, $number) = ('coelacanth', 9182736);
my $hidden = "$secret|$number";

sub query { return $node->safe_psql('postgres', "SET predictor.enabled = off; SET search_path = public, opengauss; $_[0]"); }

query(<<'EOS');
SET client_min_messages = warning;
CREATE EXTENSION predictor_opengauss;
CREATE TABLE part (p_key integer PRIMARY KEY, p_type text, p_size integer, p_mfgr char(25), p_at timestamptz, p_doc jsonb, p_tags text[]);
INSERT INTO part SELECT g, 'type ' || g % 7, g % 50, 'mfgr', now(), jsonb_build_object('a', g), ARRAY['x', 'y'] FROM generate_series(1, 2000) g;
CREATE TABLE other (o_key integer, o_type text);
INSERT INTO other SELECT g, 'type ' || g % 7 FROM generate_series(1, 500) g;
CREATE INDEX ON part (p_size, p_type);
CREATE FUNCTION one_more(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT i + 1';
ANALYZE;
EOS

# Condition and projection of the nodes of what was executed last.
sub shown
{
	my ($statement) = @_;
	$node->safe_psql('postgres', $statement);
	query('SELECT predictor.flush()');
	return query('SELECT condition || chr(124) || projection FROM gs_wlm_plan_operator_info'
		  . ' WHERE queryid = (SELECT max(queryid) FROM gs_wlm_plan_operator_info) ORDER BY plan_node_id');
}

# --- what they look like ---
is(shown(q{SELECT p_key, p_type FROM part AS alias WHERE p_mfgr LIKE 'SMALL%' AND p_size + 1 = 15}),
	'  && ((public.part.p_mfgr ~~ ?) AND ((public.part.p_size + ?) = ?))| public.part.p_key, public.part.p_type', 'a scan');
is(shown(q{SELECT count(*) FROM part WHERE p_mfgr IN ('a', 'b', 'c') AND p_doc @> '{"a": 5}'}),
	"  && | count(*)\n  && ((public.part.p_doc @> ?) AND (public.part.p_mfgr = ANY (?)))| public.part.p_key, public.part.p_type, public.part.p_size, "
	  . 'public.part.p_mfgr, public.part.p_at, public.part.p_doc, public.part.p_tags', 'a list is one value');
is(shown(q{SET enable_mergejoin = off; SET enable_nestloop = off; SELECT p_key + 7 FROM part JOIN other ON p_key = o_key AND p_type || 'x' <> o_type ORDER BY 1}),
	" | ((public.part.p_key + ?))\n"
	  . "  && (public.part.p_key = public.other.o_key) && ((public.part.p_type || ?) <> public.other.o_type) && | (public.part.p_key + ?)\n"
	  . "  && | public.part.p_key, public.part.p_type, public.part.p_size, public.part.p_mfgr, public.part.p_at, public.part.p_doc, public.part.p_tags\n"
	  . " | public.other.o_key, public.other.o_type\n  && | public.other.o_key, public.other.o_type", 'a join, and a sort that refers to what is computed below it');
my $generic = "SET plan_cache_mode = force_generic_plan; PREPARE q(integer, text) AS SELECT p_type FROM part WHERE p_size % 3 = \$1 AND p_type <> \$2;";
is(shown("$generic EXECUTE q(1, 'x')"), '  && ((public.part.p_type <> ?) AND ((public.part.p_size % ?) = ?))| public.part.p_type', 'a generic plan');
$generic =~ s/generic/custom/;
is(shown("$generic EXECUTE q(1, 'x')"), '  && ((public.part.p_type <> ?) AND ((public.part.p_size % ?) = ?))| public.part.p_type', 'is as a custom one');
is(shown(q{SELECT EXTRACT(year FROM p_at), p_type::varchar(7) FROM part WHERE p_key = 7}),
	q{  && (public.part.p_key = ?) && | "extract"(?, public.part.p_at), (public.part.p_type)::character varying}, 'an index, a keyword, the modifier of a type');

# --- no literal is anywhere, whatever it is hidden in ---
my @statements = (
	"SELECT '$secret', p_key + $number FROM part WHERE p_type LIKE '$secret%' AND p_size = $number",
	"SELECT count(*) FROM part WHERE p_key IN ($number, 1, 2) OR p_type IN ('$secret', 'b') OR p_type = ANY ('{$secret,x}')",
	"SELECT count(*) FROM part WHERE (p_key, p_type) IN (($number, '$secret'), (1, 'a')) OR ROW(p_key, p_type) < ROW(-$number, '$secret')",
	"SELECT CASE p_type WHEN '$secret' THEN $number ELSE 0 END, CASE WHEN p_size > $number THEN '$secret' ELSE p_type END FROM part",
	"SELECT p_type::varchar($number), ('$secret' || p_type)::varchar($number), '$number'::bigint + p_key FROM part",
	"SELECT (SELECT count(*) FROM other WHERE o_key = a.p_size + $number AND o_type <> '$secret') FROM part a WHERE p_key < 10",
	"SELECT count(*) FROM part WHERE p_size + $number NOT IN (SELECT o_key FROM other WHERE o_type <> '$secret')",
	"SELECT count(*) FROM part WHERE p_type > (SELECT max(o_type || '$secret') FROM other) AND EXISTS (SELECT FROM other WHERE o_key = $number)",
	"WITH c AS MATERIALIZED (SELECT p_key + $number AS k, '$secret' AS s FROM part) SELECT k, s || p_type FROM c JOIN part ON k = p_key + $number ORDER BY 1, 2",
	"SELECT x || '$secret' FROM (SELECT p_type || '$secret' AS x, p_key + $number AS y FROM part OFFSET 0) s WHERE y > $number ORDER BY 1, y",
	"SELECT p_key % $number, count(*) FILTER (WHERE p_type = '$secret'), string_agg(p_type, '$secret' ORDER BY p_type || '$secret'),"
	  . " percentile_cont(0.$number) WITHIN GROUP (ORDER BY p_size + $number) FROM part GROUP BY 1 HAVING max(p_type) <> '$secret'",
	"SELECT lag(p_type, 1, '$secret') OVER (PARTITION BY p_size % $number ORDER BY p_key + $number) FROM part",
	"SELECT position('$secret' IN p_type), trim(both '$secret' FROM p_type), overlay(p_type PLACING '$secret' FROM 1), substring(p_type FROM '$secret'),"
	  . " p_at AT TIME ZONE 'UTC', normalize(p_type, NFC), extract(epoch FROM p_at + interval '$number seconds') FROM part",
	"SELECT p_doc -> '$secret' ->> $number, p_doc['$secret'], p_doc #> '{$secret,$number}' FROM part WHERE p_doc \@? '\$.$secret ? (@ > $number)' OR p_doc ? '$secret'",
	"SELECT coalesce(p_type, '$secret'), nullif(p_type, '$secret'), greatest(p_key, $number), ARRAY[p_type, '$secret'], (ARRAY['$secret', p_type])[p_key], p_tags[$number] FROM part",
	"SELECT * FROM (VALUES ('$secret', $number), ('b', 2)) v (x, y) JOIN part ON p_type = x || '$secret'",
	"SELECT g FROM generate_series($number, $number + 3) g WHERE g <> $number AND g::text <> '$secret'",
	"INSERT INTO part (p_key, p_type) SELECT $number, '$secret' FROM other WHERE o_type = '$secret'",
	"UPDATE part SET p_type = '$secret', p_size = p_size + $number, p_tags[2] = '$secret' WHERE p_key = $number",
	"DELETE FROM part USING other WHERE p_key = o_key + $number RETURNING '$secret'",
	"INSERT INTO part AS p (p_key) SELECT o_key FROM other WHERE o_key = -$number ON CONFLICT (p_key) DO UPDATE SET p_type = '$secret' WHERE p.p_type = '$secret'",
	"SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT p_type FROM part WHERE p_size = $number AND p_type > '$secret'; SELECT * FROM part WHERE p_size = $number AND p_mfgr <> '$secret'",
	"SET enable_seqscan = off; SET enable_indexscan = off; SELECT p_doc FROM part WHERE p_size = $number OR (p_size = 7 AND p_type = '$secret') OR p_key = $number",
	"SELECT p_type || '$secret' AS t, $number AS n FROM part UNION ALL SELECT '$secret', o_key + $number FROM other ORDER BY 1, 2",
	"SELECT '$secret' FROM part WHERE p_type = '$secret' INTERSECT SELECT o_type || '$secret' FROM other",
	"WITH RECURSIVE r AS (SELECT $number AS n, '$secret' AS s UNION ALL SELECT n + 1, s || '$secret' FROM r WHERE n < $number + 3) SELECT * FROM r",
	"SET enable_hashjoin = off; SET enable_mergejoin = off; SELECT * FROM (SELECT o_key + $number AS k FROM other OFFSET 0) s, LATERAL (SELECT p_type || '$secret' FROM part WHERE p_key = k - $number OFFSET 0) t",
	"SET enable_hashjoin = off; SET enable_nestloop = off; SELECT count(*) FROM part JOIN other ON p_key + $number = o_key + $number AND p_type || '$secret' <> o_type",
	"SELECT (r).f2, (r).f1 + p_key FROM (SELECT ROW($number, '$secret'::text) AS r, p_key FROM part OFFSET 0) s WHERE (r).f2 <> p_key::text",
	"SELECT DISTINCT p_size % $number, '$secret' || p_type FROM part LIMIT $number OFFSET 0",
	"SELECT one_more(p_key + $number), current_time(3), p_type = ANY (ARRAY['$secret', p_type]) FROM part WHERE one_more(p_size) <> $number",
	"SELECT count(*), '$secret' WHERE now() > '1999-01-01'::timestamptz AND random() < $number",
	"SET plan_cache_mode = force_generic_plan; PREPARE q(text, integer) AS SELECT p_key + \$2, \$1 || '$secret' FROM part WHERE p_type = \$1 AND p_key IN (\$2, $number); EXECUTE q('$secret', $number)",
	"SET max_parallel_workers_per_gather = 2; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
	  . " SELECT p_type || '$secret', sum(p_size + $number) FROM part WHERE p_type <> '$secret' GROUP BY 1");
push @statements, "MERGE INTO part USING other ON p_key = o_key + $number WHEN MATCHED AND p_type = '$secret' THEN UPDATE SET p_type = '$secret'"
  if $node->pg_version >= 15;
push @statements, "SELECT JSON_OBJECT('$secret': p_type), JSON_ARRAY('$secret', p_key + $number RETURNING jsonb), p_type IS JSON FROM part",
  "SELECT JSON_OBJECTAGG(p_key + $number: '$secret') FROM part"
  if $node->pg_version >= 16;
push @statements, "SELECT JSON_VALUE(p_doc, '\$.$secret' RETURNING varchar($number) DEFAULT '$secret' ON EMPTY), JSON_QUERY(p_doc, '\$.a' PASSING '$secret' AS x),"
  . " JSON_EXISTS(p_doc, '\$.$secret ? (@ > $number)') FROM part"
  if $node->pg_version >= 17;
push @statements, "SELECT xmlelement(name a, xmlattributes('$secret' AS b), p_type, '$secret'), xmlforest('$secret' || p_type AS c), xmlparse(content p_type || '$secret'),"
  . " xmlroot(xmlparse(content '<a/>' || '$secret'), version '$number', standalone yes), xmlserialize(content xmlparse(content p_type) AS varchar($number)) FROM part"
  if query("SELECT count(*) FROM pg_config WHERE name = 'CONFIGURE' AND setting LIKE '%libxml%'");

query('SELECT predictor.flush(); SELECT predictor.reset_history()');
$node->safe_psql('postgres', $_) foreach @statements;
is(query('SELECT predictor.flush()'), 't', 'statements with marked literals are stored');
cmp_ok(query('SELECT count(*) FROM predictor.plan_text'), '>=', scalar @statements, 'with texts');
is(query("SELECT string_agg(t::text, chr(10)) FROM predictor.plan_text t WHERE t::text ~* '$hidden'"), '', 'none of which has a literal');
is(query("SELECT count(*) FROM gs_wlm_plan_operator_info o WHERE o::text ~* '$hidden'"), '0', 'nor have the views');
is(query(q{SELECT count(*) FROM predictor.plan_text, unnest(condition, projection) AS u (c, p) WHERE c IS NULL OR p IS NULL OR c || p LIKE '%$2147483647%'}), '0',
	'all of them are known, and no placeholder is left as it was');
cmp_ok(query(q{SELECT count(*) FROM predictor.plan_text, unnest(condition, projection) AS u (c, p) WHERE c || p LIKE '%?%'}), '>=', scalar @statements, 'literals are question marks');
is(query(q{SELECT count(*) FROM gs_wlm_plan_operator_info WHERE condition LIKE '%(shape %' OR projection ~ '^ [(]hash'}), '0', 'and no hash stands for a text');
query('CHECKPOINT');
my @found;
find({ no_chdir => 1, wanted => sub { push @found, $File::Find::name if -f && (eval { slurp_file($_) } // '') =~ /$hidden/i } }, $node->data_dir);
is_deeply(\@found, [], 'no file of the server has a literal');
unlike(slurp_file($node->logfile), qr/$hidden/i, 'nor has its log');
unlike(slurp_file($node->logfile), qr/without openGauss's/, 'and every text could be made');

# --- when they come ---
my $session = open_session($node, 'postgres', '-c predictor.enabled=off');
my $statement = "SELECT count(*) FROM part WHERE p_size = 3";

# Captures nothing but the statement itself.
sub run_there
{
	my ($where, $setting) = @_;
	return session_ask($where, join ";\n", 'SET predictor.enabled = on', $setting // (), $statement, 'SET predictor.enabled = off', 'SET predictor.fail_allocations = 0');
}
sub texts { query('SELECT predictor.flush()'); return query('SELECT count(*) FROM predictor.plan_text'); }
query('SELECT predictor.flush(); SELECT predictor.reset_history()');
is(texts(), '0', 'emptied history has no texts');
run_there($session);
is(texts(), '1', 'the first execution brings its text');
query('DELETE FROM predictor.plan_text');
run_there($session);
is(texts(), '0', 'the next one of the same session does not');
like(query('SELECT condition || projection FROM gs_wlm_plan_operator_info ORDER BY queryid DESC, plan_node_id DESC LIMIT 1'),
	qr/^  && \(shape [0-9a-f]+\) \(hash [0-9a-f]+\)$/, 'and hashes stand for its texts');
query('SELECT predictor.reset_history()');
run_there($session);
is(texts(), '1', 'after history was emptied it does');
session_close($session);
my @lost;
foreach my $allocation (1 .. 8)
{
	query('SELECT predictor.reset_history()');
	$session = open_session($node, 'postgres', '-c predictor.enabled=off');
	run_there($session, "SET predictor.fail_allocations = $allocation");
	if (texts() == 0 && query('SELECT count(*) FROM predictor.execution') == 1)
	{
		push @lost, $allocation;
		run_there($session);
		is(texts(), '1', 'texts that are lost come with the next record');
	}
	session_close($session);
}
cmp_ok(scalar @lost, '>', 0, 'without memory a record comes without its texts');

# Twelve projections of nearly 4000 characters: more than is kept of a plan, and with the record more than a small ring takes.
my $wide = join ' UNION ALL ', map { 'SELECT ' . join(' + ', ('p_key') x 180) . " FROM part WHERE p_key = $_" } 1 .. 12;
query('SELECT predictor.reset_history()');
$node->safe_psql('postgres', $wide);
is(texts(), '1', 'of a plan with long texts');
my ($known, $unknown) = split /\|/, query('SELECT count(u), count(*) - count(u) FROM predictor.plan_text, unnest(projection) u');
cmp_ok($known, '>=', 8, 'as many are kept as there is room for');
cmp_ok($unknown, '>=', 3, 'and the others are unknown');
$node->append_conf('postgresql.conf', "predictor.ring_size = 256kB\n");
$node->restart;
ok(wait_for_sql($node, 'postgres', 'SELECT predictor.flush()'), 'with a small ring');
query('SELECT predictor.reset_history()');
$node->safe_psql('postgres', $wide);
is(texts(), '0', 'they do not fit');
is(query('SELECT count(*) FROM predictor.execution'), '1', 'and the record goes alone');
$node->safe_psql('postgres', $statement);
is(texts(), '1', 'while short texts go with theirs');

$node->append_conf('postgresql.conf', "predictor.opengauss_capture = off\n");
$node->reload;
ok(wait_for_sql($node, 'postgres', 'SHOW predictor.opengauss_capture', 'off'), 'switched off');
is(shown('SELECT p_key FROM part WHERE p_size = 4 AND p_key > 5') =~ /[(]shape [0-9a-f]+[)]\| $/ ? 1 : 0, 1, 'what is recorded without it has no text');
is(texts(), '1', 'nor comes one');
like(shown($statement), qr/  && [(]public\.part\.p_size = [?][)]/, 'unless the plan is known');

# --- what becomes of them ---
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dumped');
unlike(slurp_file($dump), qr/plan_text|p_size = \?/, 'a dump has none');
$node->append_conf('postgresql.conf', "predictor.retention = 8d\n");
$node->reload;
ok(wait_for_sql($node, 'postgres', 'SHOW predictor.retention', '8d'), 'history is kept for eight days');
query("UPDATE predictor.history_segment SET started_at = started_at - interval '9 days'; UPDATE predictor.plan_text SET first_seen = first_seen - interval '9 days'");
foreach my $column (1 .. 10)
{
	$node->safe_psql('postgres', 'SELECT ' . join(' + ', ('o_key') x $column) . ' FROM other');
	query('SELECT predictor.flush()');
}
is(texts(), '0', 'texts expire with it');
$node->stop;
done_testing();
