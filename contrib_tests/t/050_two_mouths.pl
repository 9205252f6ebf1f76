# Two mouths, one record: what the backend captures of an execution and what is imported from the
# EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) of the same execution agree in shape, signatures and hashes
# of constants, and in every number that EXPLAIN prints.
#
# contrib_tests/two_mouths/statements.sql has the statements, one a line. A line may begin with
# settings ("set a = b, c = d; SELECT ..."; the word parallel stands for those that make plans
# parallel). The end of a line names what is known to differ, and then must differ:
#   -- differs in constants: why      or      -- differs in shape: why
# docs/records.md explains these.
use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $here = dirname(__FILE__) . '/../two_mouths';

my $node = PostgreSQL::Test::Cluster->new('mouths');
$node->init;
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', <<'EOC');
compute_query_id = on
predictor.operator_sample_rate = 1
predictor.max_captures_per_second = 1000000
max_parallel_workers_per_gather = 0
max_parallel_workers = 4
autovacuum = off
jit = off
EOC
$node->start;

my $lines = $node->basedir . '/lines.txt';
append_to_file($lines, "alpha\nbeta\nabc\n");
$node->safe_psql('postgres', 'CREATE EXTENSION predictor');
$node->safe_psql('postgres', slurp_file("$here/schema.sql"));
$node->safe_psql('postgres',
	"CREATE FOREIGN TABLE file_lines (line text) SERVER files OPTIONS (filename '$lines')");

# Foreign tables that are this server's own, read by another connection.
my ($host, $port) = ($node->host, $node->port);
$node->safe_psql('postgres', <<"EOS");
CREATE SERVER myself FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '$host', port '$port', dbname 'postgres', async_capable 'true',
		options '-c predictor.capture=off');
CREATE USER MAPPING FOR CURRENT_USER SERVER myself;
CREATE FOREIGN TABLE remote_item (id int, kind int, name text, ok bool)
	SERVER myself OPTIONS (table_name 'item');
CREATE FOREIGN TABLE remote_sale (id int, item int, amount int) SERVER myself OPTIONS (table_name 'sale');
ANALYZE remote_item, remote_sale;
EOS

# --- the statements ---

my %shorthand = (parallel => 'max_parallel_workers_per_gather = 2, parallel_setup_cost = 0, '
	  . 'parallel_tuple_cost = 0, min_parallel_table_scan_size = 0, '
	  . 'min_parallel_index_scan_size = 0');

my @statements;
foreach my $line (split /\n/, slurp_file("$here/statements.sql"))
{
	my ($sql, $what) = $line =~ /^(.*?)(?:\s+-- differs in (\w+): .*)?$/;
	my $settings = $sql =~ s/^set (.*?); // ? $1 : '';
	$settings =~ s/\bparallel\b(?=,|$)/$shorthand{parallel}/;
	push @statements,
	  { sql => $sql, settings => [ split /, (?=\w+ =)/, $settings ], differs => $what // '' };
}
cmp_ok(scalar(@statements), '>=', 200, 'there are at least 200 statements');

# Runs all in one session, whose captures so are stored in their order; returns EXPLAIN's texts.
sub explain_all
{
	my $script = "SET predictor.capture = off;\nLOAD '$ENV{PREDICTOR_CUSTOM_SCAN}';\n" . slurp_file("$here/prepared.sql");
	foreach my $statement (@statements)
	{
		$script .= "\\echo <<<>>>\nBEGIN;\n";
		$script .= "SET LOCAL $_;\n" foreach @{ $statement->{settings} };
		$script .= "SET LOCAL predictor.capture = operators;\n"
		  . "EXPLAIN (ANALYZE, VERBOSE, BUFFERS, SETTINGS, FORMAT JSON) $statement->{sql};\nROLLBACK;\n";
	}
	my (undef, @texts) = split /<<<>>>\n/, $node->safe_psql('postgres', $script) . "\n";
	return @texts;
}

my @fields_of_plan = qw(operator parent relationship join_type strategy partial_mode node_command
  clauses flags sort_keys relation index predicate selection links);
my @fields_of_execution = qw(node_constants node_coarse);
my %tolerance = (
	startup_cost => 0.0051, total_cost => 0.0051, plan_rows => 0.51, plan_width => 0,
	workers_planned => 0, actual_startup => 0.00051, actual_total => 0.00051, actual_rows => 0.51,
	actual_loops => 0, actual_memory => 0, actual_removed => 1.01, actual_rechecked => 0.51,
	actual_hit => 0, actual_read => 0, actual_temp => 0, actual_disk => 0, actual_batches => 0,
	workers_launched => 0);
# Of actual_flags: never executed, and what was measured. Which nodes are partial the backend knows better.
my $measured = 0x0100 | 0x0200 | 0x0400 | 0x0800 | 0x2000;

sub stored_after
{
	my ($id) = @_;
	my $arrays = join ', ', map { "'$_', p.$_\:\:text[]" } @fields_of_plan;
	$arrays .= ', ' . join ', ', map { "'$_', e.$_\:\:text[]" } @fields_of_execution, sort keys %tolerance;
	my $rows = $node->safe_psql('postgres', <<"EOS");
SET predictor.capture = off;
SELECT predictor.flush();
SELECT jsonb_build_object('id', id, 'signature', signature::text, 'constants', constants::text,
	'nodes', cardinality(p.operator), 'query_id', e.query_id::text, 'work_mem', e.work_mem,
	'switches', e.switches, 'random_page_cost', random_page_cost, 'effective_cache', effective_cache,
	'parallel_workers', parallel_workers, 'jit_time', jit_time, 'trigger_time', trigger_time,
	'actual_flags', actual_flags, 'actual_wall', actual_wall, $arrays)
	FROM predictor.execution e JOIN predictor.plan p USING (signature) WHERE id > $id ORDER BY id;
EOS
	my ($flushed, @rows) = split /\n/, $rows;
	is($flushed, 't', 'what was captured is stored');
	return map { decode_json($_) } @rows;
}

sub import_all
{
	my $script = "SET predictor.capture = off;\n";
	foreach my $text (@_)
	{
		$script .= "SELECT predictor.import_plan(\$json\$$text\$json\$) IS NOT NULL;\n";
	}
	return $node->safe_psql('postgres', $script);
}

# --- the comparison ---

# The nodes of EXPLAIN in pre-order, for messages.
sub nodes_of
{
	my ($plan) = @_;
	my %own = map { $_ => $plan->{$_} } grep { !/^(Plans|Output)$/ && !/Blocks|Time|Cost/ } keys %$plan;
	return (\%own, map { nodes_of($_) } @{ $plan->{Plans} // [] });
}

sub differences
{
	my ($captured, $imported, $text, @fields) = @_;
	my @nodes = nodes_of(decode_json($text)->[0]{Plan});
	my @found;
	foreach my $field (@fields)
	{
		for (my $i = 0; $i < @nodes; $i++)
		{
			my ($a, $b) = map { $_->{$field}[$i] // 'none' } $captured, $imported;
			push @found, "node $i, $field: $a captured, $b imported; "
			  . JSON::PP->new->canonical->encode($nodes[$i])
			  if $a ne $b;
		}
	}
	return @found;
}

# Only what EXPLAIN prints: it leaves out what is 0.
sub number_differences
{
	my ($captured, $imported) = @_;
	my @found;
	foreach my $field (sort keys %tolerance)
	{
		for (my $i = 0; $i < $captured->{nodes}; $i++)
		{
			my ($a, $b) = map { $_->{$field}[$i] // 'NaN' } $captured, $imported;
			$b = 0 if $b eq 'NaN' && $field =~ /removed|rechecked|disk/;
			$a = 0 if $a eq 'NaN' && $field =~ /removed|rechecked|disk/;
			next if $a eq 'NaN' && $b eq 'NaN';
			push @found, "node $i (operator $captured->{operator}[$i]), $field: $a captured, $b imported"
			  if $a eq 'NaN' || $b eq 'NaN' || abs($a - $b) > $tolerance{$field};
		}
	}
	for (my $i = 0; $i < $captured->{nodes}; $i++)
	{
		my ($a, $b) = map { $_->{actual_flags}[$i] & $measured } $captured, $imported;
		push @found, "node $i, flags: $a captured, $b imported" if $a != $b;
		($a, $b) = map { $_->{actual_wall}[$i] } $captured, $imported;
		push @found, "node $i, wall-clock time: $a captured, $b imported"
		  if $a ne 'NaN' && abs($a - $b) > 0.01 + 0.001 * $captured->{actual_loops}[$i] + $a / 1e4;
	}
	return @found;
}

# Capture begins once a worker has looked at the database.
$node->poll_query_until('postgres',
	'SELECT 1 FROM generate_series(1, 3); SELECT predictor.flush(); SELECT count(*) > 0 FROM predictor.execution',
	"1\n1\n1\nt\nt")
  or BAIL_OUT('nothing is captured');
my $first = $node->safe_psql('postgres',
	'SET predictor.capture = off; SELECT predictor.flush(); SELECT max(id) FROM predictor.execution');
$first =~ s/.*\n//s;

my @texts = explain_all();
is(scalar(@texts), scalar(@statements), 'each statement was explained');
my @captured = stored_after($first);
my %seen = map { $_->{query_id} => 1 } @captured;
my @missing = grep { !$seen{ decode_json($texts[$_])->[0]{'Query Identifier'} // 0 } } 0 .. $#statements;
is(join("\n", map { $statements[$_]{sql} } @missing), '', 'each statement was captured');
is(scalar(@captured), scalar(@statements), 'and once') or BAIL_OUT('nothing to compare');
import_all(@texts);
my @imported = stored_after($captured[-1]{id});
is(scalar(@imported), scalar(@statements), 'each statement was imported') or BAIL_OUT('nothing to compare');

my %operators;
for (my $i = 0; $i < @statements; $i++)
{
	my ($statement, $ours, $theirs) = ($statements[$i], $captured[$i], $imported[$i]);
	my $name = join(' ', @{ $statement->{settings} }) . " $statement->{sql}";
	$name =~ s/^ //;
	$name = substr($name, 0, 150);
	$operators{$_} = 1 foreach @{ $ours->{operator} };
	if ($statement->{differs} eq 'shape')
	{
		isnt($ours->{signature}, $theirs->{signature}, "differs in shape, as documented: $name");
		next;
	}
	is($theirs->{signature}, $ours->{signature}, "shape: $name")
	  or diag(join "\n", differences($ours, $theirs, $texts[$i], @fields_of_plan));
	if ($statement->{differs} eq 'constants')
	{
		isnt($ours->{constants}, $theirs->{constants}, "differs in constants, as documented: $name");
	}
	else
	{
		my @found = differences($ours, $theirs, $texts[$i], @fields_of_execution);
		is($theirs->{constants}, $ours->{constants}, "constants: $name") or diag(join "\n", @found);
		is(scalar(@found), 0, "each node's constants: $name");
	}
	next if $ours->{signature} ne $theirs->{signature};
	is_deeply([ number_differences($ours, $theirs) ], [], "numbers: $name");
	my @facts = qw(query_id work_mem switches random_page_cost effective_cache parallel_workers);
	is_deeply([ @$theirs{@facts} ], [ @$ours{@facts} ], "statement: $name");
	foreach my $time (qw(jit_time trigger_time))
	{
		my ($a, $b) = map { $_->{$time} eq 'NaN' ? 0 : $_->{$time} } $ours, $theirs;
		cmp_ok(abs($a - $b), '<', 0.01, "$time: $name");
	}
}

# --- the vocabulary ---

# Not produced here: nodes that PostgreSQL never leaves in a plan of a statement by itself.
my %elsewhere = (0 => 'unknown', 27 => 'transition tables: 051_records.pl');
my $all = $node->safe_psql('postgres',
	'SELECT n, predictor.operator_name(n::int2) FROM generate_series(0, 42) n');
foreach my $line (split /\n/, $all)
{
	my ($number, $operator) = split /\|/, $line;
	next if exists $elsewhere{$number};
	ok($operators{$number}, "there was a node of type $operator");
}

done_testing();
