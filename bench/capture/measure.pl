# Measures a cluster: measure.pl scripts/cluster DIRECTORY. See run.
#
# Each round restarts the server once for each arm, in a random order, and measures all workloads in fresh backends: where
# the server's and the backend's memory happens to lie makes more of a difference than any library, and is drawn anew so. What
# is compared is the median over rounds of the difference to the server without libraries; its 95 % interval comes from
# resampling the rounds. CPU time is the backend's own (/proc/PID/schedstat), so that other work on the machine counts as
# little as it can.
#
# Statements run inside the server, in a DO block: nobody's network is measured. Where an execution takes long, few of them
# meet the sampled share whose nodes are timed. So there the share is not left to chance: each is measured once with none and
# once with all of them sampled, and the two are weighted as the default is.
use strict;
use warnings;

use IPC::Open2;
use List::Util qw(max min shuffle sum);

my ($cluster, $directory) = @ARGV;
my $rounds = $ENV{ROUNDS} || 15;
my $sample_rate = 0.01;
# Not 1, which would have Predictor time all of them whatever it costs.
my $nearly_all = 0.9999;
my @arms = qw(without predictor auto_explain pg_stat_statements);

srand(1);

# ---- sessions ----

sub connect_to
{
	my ($arm) = @_;
	my ($out, $in);
	my $child = open2($out, $in, "$ENV{bindir}/psql", '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', $directory, '-p', 5432,
		'-U', 'postgres', 'postgres');
	my $session = { arm => $arm, in => $in, out => $out, child => $child };
	$session->{pid} = ask($session, 'SELECT pg_backend_pid()');
	return $session;
}

# Runs a statement; its output comes when the backend is done.
sub ask
{
	my ($session, $sql) = @_;
	my $answer = '';

	print { $session->{in} } "$sql;\n\\echo done\n";
	$session->{in}->flush;
	while (defined(my $line = readline $session->{out}))
	{
		chomp $line;
		return $answer if $line eq 'done';
		$answer .= $answer eq '' ? $line : "\n$line";
	}
	die "bench-capture: $session->{arm} does not answer: $sql\n";
}

# Restarts the server with the arm's library.
sub switch_to
{
	my ($arm) = @_;
	my $session = connect_to($arm);
	# an empty list cannot be set so; DO loads plpgsql anyway
	ask($session, 'ALTER SYSTEM SET shared_preload_libraries = ' . ($arm eq 'without' ? 'plpgsql' : $arm));
	leave($session);
	system($cluster, 'restart', $directory) == 0 or die "bench-capture: the server does not restart\n";
	return if $arm ne 'predictor';
	$session = connect_to($arm);
	ask($session, $_) for 'SET client_min_messages = warning', 'CREATE EXTENSION IF NOT EXISTS predictor', 'SELECT predictor.flush()';
	leave($session);
}

sub leave
{
	my ($session) = @_;
	close $session->{in};
	waitpid $session->{child}, 0;
}

sub slurp
{
	my ($file) = @_;
	open my $handle, '<', $file or return '';
	local $/;
	return scalar readline $handle;
}

# Nanoseconds of CPU that the backend has used.
sub cpu
{
	my ($session) = @_;
	my ($used) = split ' ', slurp("/proc/$session->{pid}/schedstat");
	return $used if $used;
	print "bench-capture: noisy: this kernel does not say what CPU time a process used (/proc/PID/schedstat)\n";
	exit 2;
}

# ---- workloads ----

my %workload = (
	'primary key lookup' => { body => 'PERFORM price FROM item WHERE id = 1 + i * 7919 % 1000000', executions => max(15_000, int(200_000 / $rounds) + 1) },
	'count(*) of 1M rows' => { body => 'PERFORM count(*) FROM item', executions => 5 },
	'index nested loop' => {
		setup => 'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = on',
		body => 'PERFORM sum(i.price) FROM few f JOIN item i ON i.id = f.item', executions => 6 },
	'hash aggregate' => { body => 'PERFORM kind, sum(price) FROM item GROUP BY kind', executions => 3 },
	'hash join 300k x 300k' => {
		setup => 'SET enable_mergejoin = off; SET enable_nestloop = off',
		body => 'PERFORM count(*) FROM one JOIN two ON one.item = two.id', executions => 3 });
my @order = ('primary key lookup', 'count(*) of 1M rows', 'index nested loop', 'hash aggregate', 'hash join 300k x 300k');

my %rate_setting = (predictor => 'predictor.operator_sample_rate', auto_explain => 'auto_explain.sample_rate');

sub loop_of
{
	my ($work, $executions) = @_;
	return "DO \$\$ BEGIN FOR i IN 1..$executions LOOP $work->{body}; END LOOP; END \$\$";
}

# Microseconds of CPU for each execution, in a fresh backend; $rate undef leaves the default. Of several equal parts the
# least counts: what the machine's other work does to our caches only ever adds. Not so where all are sampled: there
# executions differ, and the mean counts.
sub measure
{
	my ($arm, $work, $rate) = @_;
	my $parts = min(5, $work->{executions});
	my $each = int($work->{executions} / $parts);
	my @used;
	my $session = connect_to($arm);
	ask($session, $work->{setup}) if $work->{setup};
	ask($session, "SET $rate_setting{$arm} = $rate") if defined $rate && $rate_setting{$arm};
	ask($session, loop_of($work, max(1, int($each / 2))));    # warms up
	for (1 .. $parts)
	{
		my $before = cpu($session);
		ask($session, loop_of($work, $each));
		push @used, (cpu($session) - $before) / 1e3 / $each;
	}
	leave($session);
	return defined $rate && $rate == $nearly_all ? sum(@used) / @used : min(@used);
}

# One arm's turn in a round: adds to each workload's list of the arm.
sub take_turn
{
	my ($arm, $times) = @_;

	switch_to($arm);
	for my $name (@order)
	{
		my $work = $workload{$name};
		push @{ $times->{$name}{$arm} },
		  $work->{executions} >= 1000 || !$rate_setting{$arm}
		  ? measure($arm, $work, undef)
		  : (1 - $sample_rate) * measure($arm, $work, 0) + $sample_rate * measure($arm, $work, $nearly_all);
	}
}

# ---- statistics ----

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $n = @sorted;
	return $n % 2 ? $sorted[ $n / 2 ] : ($sorted[ $n / 2 - 1 ] + $sorted[ $n / 2 ]) / 2;
}

# Median of one - other over the rounds, with its 95 % bootstrap interval.
sub difference
{
	my ($one, $other) = @_;
	my @differences = map { $one->[$_] - $other->[$_] } 0 .. $#$one;
	my @medians = sort { $a <=> $b }
	  map { median(map { $differences[ rand @differences ] } @differences) } 1 .. 2000;
	return (median(@differences), $medians[49], $medians[1949]);
}

# ---- verdict ----

my (@short, @noisy);

sub judge
{
	my ($what, $low, $high, $budget, $text) = @_;
	if ($low > $budget) { push @short, "$what: $text" }
	elsif ($high > $budget) { push @noisy, "$what: $text" }
}

sub report
{
	my ($name, $times) = @_;
	my $base = median(@{ $times->{without} });
	my $budget = max(0.02 * $base, $name eq 'primary key lookup' ? 0.5 : 0);
	my @cells;

	for my $arm (grep { $_ ne 'without' } @arms)
	{
		my ($middle, $low, $high) = difference($times->{$arm}, $times->{without});
		my $text = sprintf '%+.2f %% (%+.2f to %+.2f)', map { 100 * $_ / $base } $middle, $low, $high;
		$text .= sprintf ', %+.2f us', $middle if $name eq 'primary key lookup';
		push @cells, $text;
		judge($name, $low, $high, $budget, $text) if $arm eq 'predictor';
	}
	# equal is fine, and never proven: only what is surely above counts
	my ($middle, $low) = difference($times->{predictor}, $times->{auto_explain});
	push @short, sprintf('%s: %.2f us above auto_explain', $name, $middle) if $low > 0;
	printf "| %s | %s | %s |\n", $name, $base < 1000 ? sprintf('%.2f us', $base) : sprintf('%.2f ms', $base / 1000),
	  join(' | ', @cells);
}

# ---- memory and workers ----

sub rss_anon
{
	my ($session) = @_;
	my ($kb) = slurp("/proc/$session->{pid}/status") =~ /^RssAnon:\s+(\d+) kB/m;
	return $kb;
}

# 200 000 prepared executions, all of them recorded as far as the ring has room.
sub measure_memory
{
	my $session = connect_to('predictor');
	my $batch = join("\n", ('EXECUTE lookup (4711);') x 5000);
	my ($first, $last);

	ask($session, 'SET predictor.operator_sample_rate = 0.5');
	ask($session, 'PREPARE lookup (int) AS SELECT price FROM item WHERE id = $1');
	for my $part (1 .. 40)
	{
		ask($session, "\\o /dev/null\n$batch\n\\o\nSELECT 1");
		$first = rss_anon($session) if $part == 2;
	}
	$last = rss_anon($session);
	leave($session);
	printf "memory of a backend (RssAnon) after 10 000 and after 200 000 prepared executions: %d and %d kB\n", $first, $last;
	push @short, sprintf('a backend grew by %d kB', $last - $first) if $last - $first > 1024;
}

sub counter
{
	my ($session, $name) = @_;
	return ask($session, "SELECT value FROM predictor.stat WHERE name = '$name'");
}

# Records that the workers store in a second of their CPU time, start of the processes included.
sub measure_flush
{
	my $session = connect_to('predictor');
	ask($session, $_) for 'SELECT predictor.flush()', 'SET predictor.operator_sample_rate = 0.5';
	my @before = map { counter($session, $_) } 'flushed', 'flush_cpu_us';
	ask($session, loop_of($workload{'primary key lookup'}, 3000)), ask($session, 'SELECT predictor.flush()') for 1 .. 10;
	my @after = map { counter($session, $_) } 'flushed', 'flush_cpu_us';
	leave($session);
	my ($records, $seconds) = ($after[0] - $before[0], ($after[1] - $before[1]) / 1e6);
	my $rate = $records / max($seconds, 1e-6);
	printf "records stored: %d in %.2f s of the workers' CPU time, %.0f per second and core\n", $records, $seconds, $rate;
	push @short, sprintf('workers store %.0f records per second and core', $rate) if $rate < 5000;
}

sub record_everything
{
	my ($on) = @_;
	my $session = connect_to('predictor');
	ask($session, $on ? 'ALTER SYSTEM SET predictor.max_captures_per_second = 1000000' :
		'ALTER SYSTEM RESET predictor.max_captures_per_second');
	ask($session, 'SELECT pg_reload_conf()');
	ask($session, 'SELECT pg_sleep(0.5)');
	leave($session);
}

$| = 1;
my %times;
for my $round (1 .. $rounds)
{
	take_turn($_, \%times) for shuffle @arms;
}
print "| workload | without | Predictor | auto_explain, timing, 1 % | pg_stat_statements |\n|---|---|---|---|---|\n";
report($_, $times{$_}) for @order;
printf "(CPU time of the backend per execution; difference to the server without, median of %d rounds, 95 %% interval)\n", $rounds;
switch_to('predictor');
record_everything(1);
measure_memory();
measure_flush();
record_everything(0);

if (@short) { print 'bench-capture: short: ', join('; ', @short), "\n"; exit 1 }
if (@noisy) { print 'bench-capture: noisy: ', join('; ', @noisy), "\n"; exit 2 }
print "bench-capture: ok\n";
