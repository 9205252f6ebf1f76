# Measures four clusters, one for each arm: measure.pl scripts/cluster ARM=DIRECTORY... See run.
#
# All arms run at the same time, each in a server of its own with the same tables, and take turns in fresh backends, so that
# what else the machine does, and how fast it is just now, meets all arms alike. In each round the servers are restarted: where
# the memory of a server or a backend happens to lie makes more of a difference than any library, and is drawn anew so. Other
# work on the machine, and on the machine around a virtual one, only ever adds to the time, so of the backends that an arm has in
# a round the quickest third counts. What is compared is the median over rounds of the difference; its 95 % interval comes from
# resampling the rounds. The libraries that we are compared with are there in every third round. CPU time is the backend's own
# (/proc/PID/schedstat).
#
# Statements run inside the server, in a DO block: nobody's network is measured. Each backend first warms up, which also uses
# up the captures that were saved while its server was idle: what is measured is a server that is busy all the time. Where an
# execution takes long, few of them meet the sampled share whose nodes are timed. So there the share is not left to chance:
# backends are measured with none sampled, and what sampling all of them adds, measured once in a round, counts as the default does.
use strict;
use warnings;

use IPC::Open2;
use List::Util qw(max shuffle sum);

my ($cluster, @servers) = @ARGV;
my %directory = map { split /=/, $_, 2 } @servers;
my @arms = grep { $directory{$_} } qw(without predictor auto_explain pg_stat_statements);
my $rounds = $ENV{ROUNDS} || 15;
my $sample_rate = 0.01;
# Not 1, which would have Predictor time all of them whatever it costs.
my $nearly_all = 0.9999;

my $round = 0;
my $raw;
open $raw, '>', $ENV{RAW} or die "bench-capture: $ENV{RAW}: $!\n" if $ENV{RAW};

srand(1);

# ---- sessions ----

sub connect_to
{
	my ($arm) = @_;
	my ($out, $in);
	my $child = open2($out, $in, "$ENV{bindir}/psql", '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', $directory{$arm}, '-p', 5432,
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

# These servers anew, with their tables in memory.
sub restart
{
	for my $arm (@_)
	{
		system($cluster, 'restart', $directory{$arm}) == 0 or die "bench-capture: a server does not restart\n";
		my $session = connect_to($arm);
		ask($session, "SELECT sum(pg_prewarm(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')");
		ask($session, 'SELECT predictor.flush()') if $arm eq 'predictor';
		leave($session);
	}
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

# So many `backends` of each arm in a round, with `executions` after a `warm_up`. 200 000 look-ups at the least, whatever the number of rounds.
my %workload = (
	'primary key lookup' => {
		body => 'PERFORM price FROM item WHERE id = 1 + i * 7919 % 1000000',
		warm_up => 2000, executions => 6000, backends => max(6, 1 + int(102 / $rounds)) },
	'count(*) of 1M rows' => { body => 'PERFORM count(*) FROM item', warm_up => 1, executions => 3, backends => 6 },
	'index nested loop' => {
		setup => 'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = on',
		body => 'PERFORM sum(i.price) FROM few f JOIN item i ON i.id = f.item', warm_up => 1, executions => 2, backends => 6 },
	'hash aggregate' => {
		body => 'PERFORM kind, sum(price) FROM item GROUP BY kind', warm_up => 1, executions => 1, backends => 6 },
	'hash join 300k x 300k' => {
		setup => 'SET enable_mergejoin = off; SET enable_nestloop = off',
		body => 'PERFORM count(*) FROM one JOIN two ON one.item = two.id', warm_up => 1, executions => 1, backends => 6 });
my @order = ('primary key lookup', 'count(*) of 1M rows', 'index nested loop', 'hash aggregate', 'hash join 300k x 300k');

my %rate_setting = (predictor => 'predictor.operator_sample_rate', auto_explain => 'auto_explain.sample_rate');

sub loop_of
{
	my ($work, $executions) = @_;
	return "DO \$\$ BEGIN FOR i IN 1..$executions LOOP $work->{body}; END LOOP; END \$\$";
}

# Microseconds of CPU for each execution, in a fresh backend; $rate undef leaves the default.
sub measure
{
	my ($arm, $work, $rate) = @_;
	my $session = connect_to($arm);
	ask($session, $work->{setup}) if $work->{setup};
	ask($session, "SET $rate_setting{$arm} = $rate") if defined $rate && $rate_setting{$arm};
	ask($session, loop_of($work, $work->{warm_up}));
	my $before = cpu($session);
	ask($session, loop_of($work, $work->{executions}));
	my $used = cpu($session) - $before;
	leave($session);
	$used /= 1e3 * $work->{executions};
	print $raw join("\t", $round, $work->{body}, $arm, $rate // 'default', $used), "\n" if $raw;
	return $used;
}

# One round of a workload: what each arm used.
sub measure_round
{
	my ($work, @present) = @_;
	my $is_short = $work->{executions} >= 1000;
	my (%used, %round);

	for (1 .. $work->{backends})
	{
		push @{ $used{$_} }, measure($_, $work, $is_short ? undef : 0) for shuffle @present;
	}
	for my $arm (@present)
	{
		$round{$arm} = quickest(@{ $used{$arm} });
		$round{$arm} += $sample_rate * (measure($arm, $work, $nearly_all) - $round{$arm}) if $rate_setting{$arm} && !$is_short;
	}
	return \%round;
}

# ---- statistics ----

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $n = @sorted;
	return $n % 2 ? $sorted[ $n / 2 ] : ($sorted[ $n / 2 - 1 ] + $sorted[ $n / 2 ]) / 2;
}

# Mean of the least third.
sub quickest
{
	my @sorted = sort { $a <=> $b } @_;
	my $count = int((@sorted + 2) / 3);
	return sum(@sorted[ 0 .. $count - 1 ]) / $count;
}

# Median over rounds of one arm - another, with its 95 % bootstrap interval.
sub difference
{
	my ($rounds_of, $one, $other) = @_;
	my @differences = map { $_->{$one} - $_->{$other} } grep { defined $_->{$one} && defined $_->{$other} } @$rounds_of;
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
	my ($name, $rounds_of) = @_;
	my $base = median(map { $_->{without} } @$rounds_of);
	my $budget = max(0.02 * $base, $name eq 'primary key lookup' ? 0.5 : 0);
	my @cells;

	for my $arm (grep { $_ ne 'without' } @arms)
	{
		my ($middle, $low, $high) = difference($rounds_of, $arm, 'without');
		my $text = sprintf '%+.2f %% (%+.2f to %+.2f)', map { 100 * $_ / $base } $middle, $low, $high;
		$text .= sprintf ', %+.2f us', $middle if $name eq 'primary key lookup';
		push @cells, $text;
		judge($name, $low, $high, $budget, $text) if $arm eq 'predictor';
	}
	# equal is fine, and never proven: only what is surely above counts
	my ($middle, $low) = difference($rounds_of, 'predictor', 'auto_explain');
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
	my $session = connect_to('predictor');
	ask($session, $_) for 'ALTER SYSTEM SET predictor.max_captures_per_second = 1000000', 'SELECT pg_reload_conf()',
		'SELECT pg_sleep(0.5)';
	leave($session);
}

$| = 1;
my %rounds_of;
while ($round++ < $rounds)
{
	my @present = $round % 3 == 1 ? @arms : qw(without predictor);
	restart(@present);
	push @{ $rounds_of{$_} }, measure_round($workload{$_}, @present) for @order;
}
print "| workload | without | Predictor | auto_explain, timing, 1 % | pg_stat_statements |\n|---|---|---|---|---|\n";
report($_, $rounds_of{$_}) for @order;
printf "(CPU time of the backend per execution; difference to the server without, median of %d rounds, 95 %% interval)\n", $rounds;
record_everything();
measure_memory();
measure_flush();

if (@short) { print 'bench-capture: short: ', join('; ', @short), "\n"; exit 1 }
if (@noisy) { print 'bench-capture: noisy: ', join('; ', @noisy), "\n"; exit 2 }
print "bench-capture: ok\n";
