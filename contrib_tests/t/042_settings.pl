# docs/settings.md says what pg_settings says: every setting, its unit, default, range and context.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->start;

# What the page says of each setting, as one line of text.
my %documented;
my $page = slurp_file("$ENV{PREDICTOR_DOCS}/settings.md");
while ($page =~ /^\| `(predictor\.\w+)`(\*?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+) \|$/mg)
{
	my ($name, $hidden, $unit, $default, $range, $context, $why) = ($1, $2, $3, $4, $5, $6, $7);
	ok(!exists $documented{$name}, "$name stands there once");
	cmp_ok(length $why, '>', 10, "$name: why one would change it");
	$documented{$name} = join ', ', $unit, $default, $range, $context, $hidden ? 'hidden' : 'shown';
}

my %real = map { split /\|/, $_, 2 } split /\n/, $node->safe_psql('postgres', <<'EOS');
SET SESSION AUTHORIZATION DEFAULT;
SELECT name || '|' || concat_ws(', ', coalesce(unit, '-'), coalesce(nullif(boot_val, ''), 'empty'),
  CASE vartype WHEN 'bool' THEN 'on, off' WHEN 'enum' THEN array_to_string(enumvals, ', ') WHEN 'string' THEN 'text'
  ELSE min_val || ' to ' || max_val END, context)
FROM pg_settings WHERE name LIKE 'predictor.%'
EOS
my %shown = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', <<'EOS');
CREATE ROLE somebody;
SET ROLE somebody;
SELECT name FROM pg_settings WHERE name LIKE 'predictor.%';
EOS
$real{$_} .= $shown{$_} ? ', shown' : ', hidden' foreach keys %real;

is(join(' ', sort keys %documented), join(' ', sort keys %real), 'every setting is documented, and nothing else');
is($documented{$_}, $real{$_}, "$_ is as documented") foreach sort grep { exists $documented{$_} } keys %real;

# what reaches the network or the disk: in files alone
is(join(' ', grep { /url|file|program|command/ && $real{$_} !~ /sighup, hidden$/ } sort keys %real), '',
	'what reaches the network or the disk is set in files, and hidden');
is(join(' ', grep { $real{$_} =~ / user, / } sort keys %real), join(' ', grep { exists $real{$_} }
	  ('predictor.default_model', 'predictor.explain_style')), "the choice of a model is everyone's, and nothing else");
$node->stop;
done_testing();
