# EXPLAIN (PREDICTOR) without our lines is exactly what EXPLAIN prints: statements x options x formats.
#
# Both are made in one session, one after the other, each in a subtransaction that is rolled back. Where
# the options make PostgreSQL measure something, the measured numbers are masked; everything else, and
# everything where nothing is measured, is compared byte for byte.
use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $node = new_server('primary', <<'EOC');
max_parallel_workers_per_gather = 0
track_io_timing = off
predictor.operator_sample_rate = 1
EOC
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');

# --- tables, and a model that has something to say about every node ---

$node->safe_psql('postgres', <<'EOS');
CREATE TABLE item (id int PRIMARY KEY, kind int, name text);
INSERT INTO item SELECT g, g % 100, 'item ' || g FROM generate_series(1, 5000) g;
CREATE TABLE sale (id int, item int, amount numeric);
INSERT INTO sale SELECT g, g % 5000, g * 1.5 FROM generate_series(1, 10000) g;
CREATE INDEX sale_item ON sale (item);
CREATE TABLE part (k int, v int) PARTITION BY RANGE (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200);
CREATE TABLE part_3 PARTITION OF part FOR VALUES FROM (200) TO (300);
INSERT INTO part SELECT g % 300, g FROM generate_series(1, 3000) g;
CREATE TABLE "odd
name, isn't it" (a int);
CREATE TABLE written (a int PRIMARY KEY, b int);
CREATE TABLE journal (a int);
CREATE TABLE ruled (a int);
CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO journal SELECT id FROM item WHERE id < 4;
CREATE RULE notify AS ON INSERT TO ruled DO ALSO NOTIFY ruled;
CREATE TABLE watched (a int);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM count(*) FROM item WHERE kind = NEW.a; RETURN NEW; END $$;
CREATE TRIGGER "isn't it" AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION watch();
-- runs statements and EXPLAINs, some of them ours, while it is explained
CREATE FUNCTION busy(n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN SELECT * FROM item, sale' LOOP END LOOP;
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, PREDICTOR) SELECT * FROM item WHERE id = 7' LOOP END LOOP;
	RETURN (SELECT count(*) FROM sale WHERE item < n);
END $$;
CREATE FUNCTION folded() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN RETURN (SELECT count(*) FROM part JOIN item ON k = id WHERE k < 5); END $$;
-- A command's output as one text; what the command did is undone.
CREATE FUNCTION output_of(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; result text := '';
BEGIN
	BEGIN
		FOR line IN EXECUTE command LOOP result := result || line || E'\n'; END LOOP;
		RAISE EXCEPTION USING ERRCODE = 'P9999';
	EXCEPTION WHEN SQLSTATE 'P9999' THEN NULL;
	END;
	RETURN result;
END $$;
VACUUM ANALYZE;
EOS

# The model comes from an engine, or, where none was built, out of a dump of another version of PostgreSQL: what was trained
# on one answers on all. scripts/check-versions makes the dump (PREDICTOR_DUMP_MODEL) and hands it on (PREDICTOR_MODEL_DUMP).
sub train_model
{
	my @workload = map {
		("SELECT count(*) FROM item WHERE kind = $_",
			"SELECT i.kind, sum(amount) FROM sale s JOIN item i ON i.id = s.item WHERE i.id < $_ GROUP BY 1",
			"SELECT * FROM item WHERE id = $_")
	} 1 .. 60;
	$node->safe_psql('postgres', join(";\n", @workload));
	$node->safe_psql('postgres', "SELECT predictor.flush(); SELECT predictor.create_model('m')");
	my ($code, $out, $err) = $node->psql('postgres', "SELECT state FROM predictor.train('m')");
	is($out, 'done', 'a model is trained') or BAIL_OUT($err);
	return;
}

sub restore_model
{
	my ($dump) = @_;
	$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('postgres') ], 'a model of another version of PostgreSQL is restored');
	like($node->safe_psql('postgres', 'SELECT model_name, version, source FROM predictor.predict_total($$SELECT count(*) FROM item WHERE kind = 3$$)'),
		qr/^m\|1\|(?:network|cache)$/, 'and answers') or BAIL_OUT('no model');
	return;
}

if ($ENV{PREDICTOR_MODEL_DUMP}) { restore_model($ENV{PREDICTOR_MODEL_DUMP}); }
else { train_model(); }
if ($ENV{PREDICTOR_DUMP_MODEL})
{
	$node->command_ok([ 'pg_dump', '--data-only', (map { "--table=predictor.$_" } qw(hash_key model model_version)),
			'-f', "$ENV{TESTLOGDIR}/model.sql", '-d', $node->connstr('postgres') ], 'it is dumped');
	$node->stop;
	done_testing();
	exit;
}

# --- the matrix ---

my $serial = {};
my $parallel = {
	parallel_setup_cost => 0, parallel_tuple_cost => 0, min_parallel_table_scan_size => 0,
	max_parallel_workers_per_gather => 2, parallel_leader_participation => 'off'
};
my $forced = $version >= 160000 ? 'debug_parallel_query' : 'force_parallel_mode';
my @statements = (
	[ 'seq scan', 'SELECT * FROM item WHERE kind = 3' ],
	[ 'no table', 'SELECT 1' ],
	[ 'never executed', 'SELECT * FROM item WHERE false' ],
	[ 'index scan', 'SELECT name FROM item WHERE id = 77' ],
	[ 'index only scan', 'SELECT id FROM item WHERE id < 20' ],
	[ 'bitmap scans', 'SELECT * FROM sale WHERE item = 5 OR item = 7', { enable_indexscan => 'off', enable_seqscan => 'off' } ],
	[ 'hash join', 'SELECT * FROM item i JOIN sale s ON i.id = s.item WHERE i.kind = 3' ],
	[ 'hash join in batches', 'SELECT count(*) FROM sale a JOIN sale b USING (id)', { work_mem => '64kB', enable_mergejoin => 'off' } ],
	[ 'merge join', 'SELECT * FROM item i JOIN sale s ON i.id = s.item', { enable_hashjoin => 'off', enable_nestloop => 'off' } ],
	[ 'nested loop, memoize', 'SELECT * FROM sale s JOIN item i ON i.id = s.item WHERE s.id < 50', { enable_hashjoin => 'off', enable_mergejoin => 'off' } ],
	[ 'sort, limit', 'SELECT * FROM sale ORDER BY amount DESC LIMIT 5' ],
	[ 'incremental sort', 'SELECT * FROM (SELECT * FROM item ORDER BY id LIMIT 500) x ORDER BY id, name', { enable_seqscan => 'off' } ],
	[ 'hash aggregate', 'SELECT kind, count(*) FROM item GROUP BY kind' ],
	[ 'planned partitions', 'SELECT id, count(*) FROM sale GROUP BY id', { work_mem => '64kB', enable_sort => 'off' } ],
	[ 'grouping sets', 'SELECT kind, id % 3, count(*) FROM item GROUP BY GROUPING SETS ((kind), (id % 3), ())' ],
	[ 'window, unique', 'SELECT DISTINCT kind, rank() OVER (PARTITION BY kind ORDER BY id) FROM item WHERE id < 300 ORDER BY 1, 2' ],
	[ 'set operation', 'SELECT kind FROM item INTERSECT SELECT item FROM sale' ],
	[ 'append, pruned when planned', 'SELECT * FROM part WHERE k < 150' ],
	[ 'append, pruned when started', 'SELECT * FROM part WHERE k < (date_part($$year$$, now())::int / 20)' ],
	[ 'merge append', 'SELECT * FROM part ORDER BY k LIMIT 3' ],
	[ 'InitPlan, SubPlan', 'SELECT (SELECT max(id) FROM item), (SELECT name FROM item WHERE id = s.item) FROM sale s WHERE s.id < (SELECT min(kind) + 9 FROM item)' ],
	[ 'one SubPlan twice', 'SELECT x, x FROM (SELECT (SELECT name FROM item WHERE id = s.item) AS x FROM sale s WHERE s.id < 9) y WHERE x IS NOT NULL' ],
	[ 'hashed SubPlan', 'SELECT count(*) FROM item WHERE id NOT IN (SELECT item FROM sale WHERE item IS NOT NULL)' ],
	[ 'CTE', 'WITH w AS MATERIALIZED (SELECT * FROM item WHERE kind < 5) SELECT count(*) FROM w a JOIN w b USING (kind)' ],
	[ 'recursive CTE', 'WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 30) SELECT sum(n) FROM r' ],
	[ 'functions', 'SELECT * FROM generate_series(1, 5) g, LATERAL (SELECT count(*) FROM item WHERE kind = g) c' ],
	[ 'values', q{SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v (a, b) WHERE a > 1} ],
	[ 'parallel', 'SELECT kind, count(*) FROM item GROUP BY kind', $parallel ],
	[ 'parallel join', 'SELECT count(*) FROM sale a JOIN item b ON a.item = b.id', $parallel ],
	[ 'JIT', 'SELECT name FROM item WHERE kind = 5', { jit => 'on', jit_above_cost => 0, jit_tuple_deforming => 'off' } ],
	[ 'JIT in a worker', 'SELECT name FROM item WHERE kind = 5', { $forced => 'on', max_parallel_workers_per_gather => 2, jit => 'on', jit_above_cost => 0, jit_tuple_deforming => 'off' } ],
	[ 'hidden Gather', 'SELECT sum(amount) FROM sale WHERE id > 5000', { $forced => 'regress', max_parallel_workers_per_gather => 2 } ],
	[ 'insert', 'INSERT INTO written SELECT g, g FROM generate_series(1, 3) g' ],
	[ 'upsert', 'INSERT INTO written VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING *' ],
	[ 'update', 'UPDATE item SET kind = 0 WHERE id = 3' ],
	[ 'delete', 'DELETE FROM part WHERE k = 5' ],
	[ 'rules: two plans and a NOTIFY', 'INSERT INTO ruled VALUES (1)' ],
	[ 'trigger', 'INSERT INTO watched VALUES (1)' ],
	[ 'CREATE TABLE AS', 'CREATE TABLE made AS SELECT * FROM item WHERE id < 9' ],
	[ 'CREATE TABLE AS EXECUTE', 'CREATE TABLE made AS EXECUTE generic(3)' ],
	[ 'DECLARE CURSOR', 'DECLARE c CURSOR FOR SELECT * FROM item WHERE kind = 4' ],
	[ 'generic plan', 'EXECUTE generic(5)', { plan_cache_mode => 'force_generic_plan' } ],
	[ 'custom plan', 'EXECUTE generic(5)', { plan_cache_mode => 'force_custom_plan' } ],
	[ 'EXPLAIN in a function', 'SELECT busy(100)' ],
	[ 'queries while planning', 'SELECT * FROM item WHERE kind < folded()' ],
	[ 'odd names', qq{SELECT * FROM "odd\nname, isn't it" AS "it's\n\n""odd""" WHERE a > 5} ],
	[ 'CTE with an odd name', qq{WITH "a\nb" AS MATERIALIZED (SELECT 1 AS x) SELECT * FROM "a\nb"} ],
	[ 'literals that imitate PostgreSQL', <<'EOL' ],
SELECT * FROM item WHERE name = E'x  (cost=0.00..1.00 rows=1 width=1600000001)\n  ->  Seq Scan on y  (cost=0.00..1.00 rows=1 width=1600000002)\n\n  Filter: "' AND name <> '"Plan Width": 1600000003, <Plan-Width>1600000004</Plan-Width>' AND name <> E'Plan Width: 1600000005\nInitPlan 1\n  CTE it''s' ORDER BY id
EOL
	[ 'literals that imitate us', qq{SELECT * FROM item WHERE name = E'a\\nPrediction: b' AND name <> '"Predicted Rows": 5,' LIMIT 1} ],
);
if ($version >= 150000)
{
	push @statements, [ 'merge',
		'MERGE INTO written w USING (VALUES (1)) v (a) ON v.a = w.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1, 1)' ];
}

my $no_buffers = $version >= 180000 ? ', BUFFERS OFF' : '';
my @option_sets = (
	'',
	'VERBOSE, SETTINGS',
	'COSTS OFF',
	'COSTS OFF, VERBOSE, SUMMARY',
	"ANALYZE, TIMING OFF, SUMMARY OFF$no_buffers",
	'ANALYZE, VERBOSE, BUFFERS',
	"ANALYZE, WAL, SETTINGS",
	'ANALYZE, COSTS OFF, VERBOSE, BUFFERS, TIMING OFF',
);
my @formats = ('TEXT', 'JSON', 'XML', 'YAML');

# --- what is compared ---

sub without_ours
{
	my ($format, $text) = @_;
	if ($format eq 'TEXT') { $text =~ s/^ *(?:Predicted|Prediction): .*\n//mg; }
	elsif ($format eq 'JSON')
	{
		$text =~ s/,\n *"Predicted [A-Za-z ]+": [\d.]+(?=,?\n)//g;
		$text =~ s/,\n    "Prediction": \{.*?\n    \}//sg;
	}
	elsif ($format eq 'XML')
	{
		$text =~ s/^ *<Predicted-[A-Za-z-]+>[\d.]+<.*\n//mg;
		$text =~ s/^    <Prediction>.*?<\/Prediction>\n//msg;
	}
	else
	{
		$text =~ s/^ *Predicted [A-Za-z ]+: [\d.]+\n//mg;
		$text =~ s/^  Prediction: \n(?:    .*\n)*//mg;
	}
	return $text;
}

# Measured numbers become N. What may be there in one run and not in the next goes.
sub masked
{
	my ($format, $text) = @_;
	my $measured = qr/[A-Za-z \-\/]*(?:Time|Blocks|WAL|Buffers|Generation|Inlining|Optimization|Emission|Deform|Total|Memory|Usage)[A-Za-z \-]*/;
	$text =~ s/time=[\d.]+(?:\.\.[\d.]+)?/time=N/g;
	if ($format eq 'TEXT')
	{
		$text =~ s/^ *(?:Buffers|WAL|Timing|Memory|I\/O Timings|Storage): .*\n//mg;
		$text =~ s/^Planning:\n//mg;
		$text =~ s/((?:Planning|Execution) Time:|Memory Usage:|Memory:|Average Memory:|Peak Memory:) [\d.]+/$1 N/g;
	}
	$text =~ s/("$measured": )[\d.]+/$1N/g;
	$text =~ s/(<($measured)>)[\d.]+(?=<)/$1N/g;
	$text =~ s/^([ -]*$measured: )[\d.]+$/$1N/mg;
	return $text;
}

# How parallel workers share the work differs from run to run, down to one that had none.
sub without_workers
{
	my ($format, $text) = @_;
	$text =~ s/rows=[\d.]+ loops=\d+\)$/rows=N loops=N)/mg;
	$text =~ s/((?:Actual Rows|Actual Loops|Peak Memory Usage)"?: |<(?:Actual-Rows|Actual-Loops|Peak-Memory-Usage)>|Memory Usage: )[\d.]+/$1N/g;
	if ($format eq 'TEXT') { $text =~ s/^( *)Worker \d+: .*\n(?:\1 .*\n)*//mg; }
	elsif ($format eq 'JSON') { $text =~ s/,\n( *)"Workers": \[.*?\n\1\]//sg; }
	elsif ($format eq 'XML') { $text =~ s/^( *)<Workers>.*?\n\1<\/Workers>\n//msg; }
	else { $text =~ s/^( *)Workers: \n(?:\1 .*\n)*//mg; }
	return $text;
}

sub count_of
{
	my ($text, $pattern) = @_;
	my $count = () = $text =~ /$pattern/g;
	return $count;
}

my %node_pattern = (
	TEXT => qr/\(cost=/, JSON => qr/^ *"Node Type": /m, XML => qr/^ *<Node-Type>/m,
	YAML => qr/^[ -]*Node Type: /m);
my %prediction_pattern = (
	TEXT => qr/^ *Predicted: time=/m, JSON => qr/^ *"Predicted Total Time": /m,
	XML => qr/^ *<Predicted-Total-Time>/m, YAML => qr/^ *Predicted Total Time: /m);

# --- run it, all in one session ---

sub explain_command
{
	my ($option_set, $format, $ours, $statement) = @_;
	my $options = join(', ', grep { $_ ne '' } ($ours ? 'PREDICTOR m' : ''), $option_set, "FORMAT $format");
	return "EXPLAIN ($options) $statement";
}

my @cases;
my $script = "PREPARE generic (int) AS SELECT i.*, s.amount FROM item i JOIN sale s ON i.id = s.item WHERE i.kind = \$1;\n";
foreach my $statement (@statements)
{
	my ($name, $sql, $settings) = @$statement;
	$settings ||= $serial;
	$script .= "SET $_ = '$settings->{$_}';\n" for sort keys %$settings;
	# warm caches: what planning reads is measured too
	$script .= "SELECT output_of(\$cmd\$EXPLAIN (ANALYZE) $sql\$cmd\$) \\g /dev/null\n";
	foreach my $option_set (@option_sets)
	{
		foreach my $format (@formats)
		{
			push @cases, [ $name, $option_set, $format ];
			$script .= 'SELECT json_build_array('
			  . join(', ', map { "output_of(\$cmd\$" . explain_command($option_set, $format, $_, $sql) . "\$cmd\$)" } (0, 1))
			  . ");\n";
		}
	}
	$script .= "RESET $_;\n" for sort keys %$settings;
}
my $file = PostgreSQL::Test::Utils::tempdir() . '/matrix.sql';
append_to_file($file, $script);
my ($code, $out, $err) = $node->psql('postgres', "\\i $file", on_error_stop => 1);
is($code, 0, 'all commands succeed') or BAIL_OUT($err);
is(substr($err, 0, 500), '', 'without a warning or a notice');

my @lines = split /\n/, $out;
is(scalar(@lines), scalar(@cases), 'all have an output');
my %failures;
my $nodes;
foreach my $i (0 .. $#cases)
{
	my ($name, $option_set, $format) = @{ $cases[$i] };
	my ($plain, $ours) = @{ decode_json($lines[$i]) };
	my $label = "$name ($option_set) $format";
	my ($expected, $stripped) = map { without_ours($format, $_) } $plain, $ours;
	if ($option_set =~ /SUMMARY$|BUFFERS|WAL/)
	{
		($expected, $stripped) = map { masked($format, $_) } $expected, $stripped;
	}
	if ($name =~ /^parallel/)
	{
		($expected, $stripped) = map { without_workers($format, $_) } $expected, $stripped;
	}
	if ($stripped ne $expected)
	{
		$failures{equal}++;
		diag("$label\n--- expected\n$expected--- got\n$ours") if $failures{equal} <= 3;
	}
	next if $name =~ /imitate/;
	# TEXT without costs does not tell nodes from labels: the same statement's last count is still right
	$nodes = count_of($plain, $node_pattern{$format})
	  unless $format eq 'TEXT' && $option_set =~ /COSTS OFF/;
	my $predictions = count_of($ours, $prediction_pattern{$format});
	if ($predictions != $nodes || $nodes == 0)
	{
		$failures{complete}++;
		diag("$label: $predictions predictions for $nodes nodes\n$ours") if $failures{complete} <= 3;
	}
	if ($format eq 'JSON' && !eval { decode_json($ours); 1 })
	{
		$failures{parsed}++;
		diag("$label: $@") if $failures{parsed} <= 3;
	}
}
note("case $_->[0] ($_->[1]) $_->[2]") foreach @cases;
is($failures{equal} // 0, 0, scalar(@cases) . " outputs without our part are PostgreSQL's own");
is($failures{complete} // 0, 0, 'every node has its prediction');
is($failures{parsed} // 0, 0, 'JSON stays JSON');

# --- widths are back where they were, whatever happens ---

sub explain_lines { return without_ours('TEXT', $node->safe_psql('postgres', $_[0]) . "\n"); }

my $prepare = 'SET plan_cache_mode = force_generic_plan; PREPARE s AS SELECT * FROM item JOIN sale ON item.id = sale.item; ';
my $plain = explain_lines("$prepare EXPLAIN EXECUTE s");
foreach my $options ('PREDICTOR', 'PREDICTOR, ANALYZE', 'PREDICTOR, COSTS OFF', 'PREDICTOR, ANALYZE, FORMAT JSON')
{
	is(explain_lines("$prepare EXPLAIN ($options) EXECUTE s \\g /dev/null\nEXPLAIN EXECUTE s"),
		$plain, "a cached plan is as before after EXPLAIN ($options)");
}
(undef, $out, $err) = $node->psql('postgres', "$prepare SET statement_timeout = '30ms';\n"
	  . "PREPARE slow AS SELECT pg_sleep(1), * FROM item; EXPLAIN (PREDICTOR, ANALYZE) EXECUTE slow;\n"
	  . "EXPLAIN EXECUTE slow", on_error_stop => 0);
like($err, qr/canceling statement due to statement timeout/, 'a cancel comes through');
like($out, qr/width=\d{1,4}\)/, 'and leaves the plan as it was');
unlike($out, qr/Predicted/, 'and no state behind');
(undef, $out, $err) = $node->psql('postgres',
	"EXPLAIN (PREDICTOR, ANALYZE) SELECT 1 / (id - 1) FROM item; EXPLAIN SELECT * FROM item",
	on_error_stop => 0);
like($err, qr/division by zero/, 'an error comes through');
like($out, qr/width=\d{1,4}\)$/, 'and leaves no state behind');

# auto_explain sees true widths, whether it was loaded before us or after
foreach my $load ('before', 'in the session')
{
	my $libraries = $load eq 'before' ? 'auto_explain, predictor' : 'predictor';
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$libraries'");
	$node->restart;
	(undef, $out, $err) = $node->psql('postgres', "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; "
		  . "SET auto_explain.log_analyze = on; SET client_min_messages = log; "
		  . "EXPLAIN (PREDICTOR, ANALYZE) SELECT * FROM item JOIN sale ON item.id = sale.item");
	like($err, qr/plan:.*width=/s, "auto_explain loaded $load: it logs the plan");
	unlike($err, qr/width=\d{5,}|Predicted/, 'with true widths and nothing of ours');
	like($out, qr/Predicted: /, 'while we print predictions');
}
$node->stop;

done_testing();
