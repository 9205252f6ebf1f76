# Reading trace files, compressed or not.
package Trace;
use strict;
use warnings;
use Exporter qw(import);
our @EXPORT_OK = qw(open_trace);

sub open_trace {
    my ($path) = @_;
    open my $file, '-|', $path =~ /\.zst$/ ? ('zstd', '-dcq', $path) : ('cat', $path) or die "$0: $path: $!\n";
    return $file;
}

1;
