# The examples of docs/engine-api.md do what the page says, in the order in which they stand there,
# with curl, against the real program over real TLS; and the signals, and an unprivileged user.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $directory = tempdir(CLEANUP => 1);
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $engine;

# A test that dies leaves no engine behind.
END
{
	local $?;
	$engine->kill_kill if defined $engine && $engine->pumpable;
}

sub run_ok
{
	my ($what, @command) = @_;
	my ($out, $err) = ('', '');
	ok(IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err), $what) or diag("$out$err");
	return $out;
}

sub start_engine
{
	my @more = @_;
	unlink "$directory/port";
	$engine = IPC::Run::start(
		[ 'predictord', 'serve', '--listen', "127.0.0.1:$port", '--data-dir', "$directory/data",
			'--ca-dir', "$directory/server", '--port-file', "$directory/port", @more ],
		'<', \undef, '>>', "$directory/log", '2>&1');
	for (1 .. 1800)
	{
		return if -s "$directory/port";
		usleep(100_000);
	}
	die slurp_file("$directory/log");
}

# --- certificates, plans, an engine ---

$ENV{PREDICTOR_CERTS_DIR} = "$directory/ca";
run_ok('an authority', 'predictor-certs', 'init');
run_ok('a certificate for the engine', 'predictor-certs', 'server', 'localhost', '--out', "$directory/server");
run_ok('a certificate for the client', 'predictor-certs', 'client', 'sales', '--out', "$directory/client");

my $plans = '';
foreach my $i (1 .. 60)
{
	my $rows = int(exp($i / 6)) + 1;
	my %scan = (
		'Node Type' => 'Seq Scan', 'Relation Name' => 't' . $i % 5, 'Parent Relationship' => 'Outer',
		'Startup Cost' => 0, 'Total Cost' => $rows * 0.01, 'Plan Rows' => $rows, 'Plan Width' => 8,
		'Actual Rows' => $rows, 'Actual Loops' => 1);
	my %sort = (
		%scan, 'Node Type' => 'Sort', 'Total Cost' => $rows * 0.02, 'Plans' => [ \%scan ]);
	delete @sort{ 'Relation Name', 'Parent Relationship' };
	$plans .= encode_json({ Plan => \%sort, 'Execution Time' => 0.1 + $rows * 1e-3 }) . "\n";
}
append_to_file("$directory/plans.jsonl", $plans . "no plan\n");
chdir "$directory/client" or die $!;
my ($out, $err) = ('', '');
IPC::Run::run([ 'predictord', 'encode', '--input', "$directory/plans.jsonl", '--output', 'plans.bin' ],
	'>', \$out, '2>', \$err);
is(decode_json($out)->{plans}, 60, 'plans in JSON become records');
like($err, qr/line 61: /, 'and a line that is no plan is named');
is(decode_json(run_ok('inspect', 'predictord', 'inspect', 'plans.bin'))->{plans}, 60, 'as inspect tells');
start_engine();

# --- the page's examples ---

my $page = slurp_file("$ENV{TESTDIR}/docs/engine-api.md");
my @examples = $page =~ /^```sh\n(.*?)^```$/msg;
cmp_ok(scalar @examples, '>=', 7, 'the page has examples');
my $script = "set -euo pipefail\n";
foreach my $i (0 .. $#examples)
{
	# Each answer in a file of its own.
	$script .= "exec >answer.$i\n$examples[$i]";
}
$script =~ s/^engine=.*$/engine=https:\/\/localhost:$port/m or die 'no engine= in the page';
append_to_file('examples.sh', $script);
run_ok('they run', 'bash', 'examples.sh');

# The JSON that stands below an example has the same keys as what was answered.
sub keys_of
{
	my ($text) = @_;
	my $object = eval { decode_json($text) } // return "no JSON: $text";
	return join(' ', sort keys %$object);
}
my $compared = 0;
while ($page =~ /^```sh\n((?:(?!^```).)*)^```\n```json\n(.*?)^```$/msg)
{
	my ($example, $expected) = ($1, $2);
	my ($number) = grep { $examples[$_] eq $example } 0 .. $#examples;
	my ($answer) = slurp_file("answer.$number") =~ /(\{.*\})/s;
	# What stands in the page is of a running job; here it may be done already, or be queued still.
	if ($expected =~ /"state":"running"/)
	{
		is(decode_json($answer)->{version}, 1, "the job of example $number is the one that was submitted");
	}
	else
	{
		is(keys_of($answer), keys_of($expected), "the answer to example $number looks as the page says");
	}
	$compared++;
}
cmp_ok($compared, '>=', 5, 'answers were compared');
my $bundle = slurp_file('headers.txt');
my ($sum) = $bundle =~ /x-content-sha256: ([0-9a-f]{64})/i;
like(run_ok('sha256sum', 'sha256sum', 'model.bundle'), qr/^$sum /, 'the bundle is what its header says');
is(decode_json(run_ok('inspect', 'predictord', 'inspect', 'model.bundle'))->{canary},
	'answered', 'and it is whole');

# --- signals ---

my @curl = ('curl', '-sS', '--cacert', 'ca.crt', '--cert', 'client.crt', '--key', 'client.key');
my $url = "https://localhost:$port";
like(run_ok('metrics', @curl, "$url/metrics"), qr/^predictord_jobs_total\{state="done"\} 1$/m, 'metrics count the job');
$engine->signal('HUP');
for (1 .. 1800)
{
	last if slurp_file("$directory/log") =~ /read anew/;
	usleep(100_000);
}
like(slurp_file("$directory/log"), qr/certificates and settings are read anew/, 'SIGHUP reads anew');
like(run_ok('after SIGHUP', @curl, "$url/readyz"), qr/"ok"/, 'and the engine goes on');
$engine->signal('TERM');
$engine->finish;
is($engine->result(0), 0, 'SIGTERM ends it with status 0');
like(slurp_file("$directory/log"), qr/stopped$/, 'after it has drained');

# --- the unit of the system ---

SKIP:
{
	skip 'no systemd-analyze here', 3 if system('command -v systemd-analyze >/dev/null') != 0;
	my ($program) = run_ok('where predictord is', 'sh', '-c', 'command -v predictord') =~ /^(.*)$/m;
	my $unit = slurp_file("$ENV{TESTDIR}/engine/systemd/predictord.service");
	$unit =~ s{/usr/bin/predictord}{$program} or die 'the unit starts another program';
	append_to_file("$directory/predictord.service", $unit);
	my @analyze = ('env', 'SYSTEMD_LOG_LEVEL=warning', 'systemd-analyze');
	my $ok = IPC::Run::run([ @analyze, 'verify', '--man=no', "$directory/predictord.service" ],
		'<', \undef, '>', \$out, '2>', \$err);
	ok($ok && "$out$err" eq '', 'systemd finds nothing wrong with the unit') or diag("$out$err");
	# Exposure from 0 (none) to 10; --threshold is in tenths.
	run_ok('and the service is exposed to little',
		@analyze, 'security', '--offline=true', '--threshold=20', "$directory/predictord.service");
}

# --- a store of another version is not touched ---

append_to_file("$directory/data/format", "later\n");
my $result = IPC::Run::run(
	[ 'predictord', 'serve', '--listen', "127.0.0.1:$port", '--data-dir', "$directory/data",
		'--ca-dir', "$directory/server" ],
	'<', \undef, '>', \$out, '2>', \$err);
ok(!$result, 'a data directory of another version is refused');
like($err, qr/another version of predictord/, 'clearly');

chdir '/';
done_testing();
