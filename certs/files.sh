# --- Making files appear at once --------------------------------------------------------------------------------------

clean_up() {
	[ -z "$terminal" ] || stty "$terminal"
	[ -z "$work" ] || rm -rf "$work"
	[ -z "$lock" ] || rmdir "$lock"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Makes $work, where the files of what will be $1 are made.
begin() {
	if [ -e "$1" ] && [ -n "$(ls -A "$1" 2>/dev/null || echo unreadable)" ]; then
		fail "$1 exists already and is never overwritten; move it away or choose another place"
	fi
	begin_beside "$1"
}

begin_beside() {
	parent=$(dirname "$1")
	[ -d "$parent" ] || fail "the directory $parent does not exist"
	[ -w "$parent" ] || fail "the directory $parent is not writable for $(id -un)"
	work=$(mktemp -d "$parent/.predictor-certs.XXXXXX") || fail "cannot make a directory in $parent"
}

# Gives $work its name. mv -T renames onto an empty directory and refuses any other, also one that came in the meantime.
finish() {
	rm -f "$work/config" "$work/log" "$work/request"
	mv -T "$work" "$1" 2>/dev/null || fail "cannot rename to $1: it came into being meanwhile"
	work=
}

# One at a time changes the authority's records.
take_lock() {
	mkdir "$dir/.lock" 2>/dev/null ||
		fail "another predictor-certs changes $dir; if none runs any more, remove the directory $dir/.lock"
	lock=$dir/.lock
}
