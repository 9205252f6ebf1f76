# --- Names ------------------------------------------------------------------------------------------------------------

is_ipv4() {
	printf '%s\n' "$1" | grep -Eqx '((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(\.|$)){4}'
}

is_ipv6() {
	case $1 in *:*:*) ;; *) return 1 ;; esac
	printf '%s\n' "$1" | grep -Eqx '[0-9A-Fa-f:.]{2,45}'
}

is_host_name() {
	[ "${#1}" -le 253 ] && printf '%s\n' "$1" | grep -Eqx '([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*'
}

is_uri() {
	printf '%s\n' "$1" | grep -Eqx '[a-z][a-z0-9+.-]*:[A-Za-z0-9._~:/@-]+'
}

# Prints the alternative name for an engine's address $1. An all-numeric name is a mistyped address, never a host.
server_name() {
	if is_ipv4 "$1" || is_ipv6 "$1"; then
		printf 'IP:%s' "$1"
	elif is_host_name "$1" && ! printf '%s\n' "$1" | grep -Eqx '[0-9.]+'; then
		printf 'DNS:%s' "$1"
	else
		fail "\"$1\" is neither a host name nor an IP address"
	fi
}

# Prints the alternative name for a database's identity $1: the engine grants namespaces to exactly one DNS or URI name.
# An address becomes a name: 10.0.0.5 is ip-10-0-0-5.
client_name() {
	if is_ipv4 "$1" || is_ipv6 "$1"; then
		printf 'DNS:ip-%s' "$(printf '%s' "$1" | tr '.:' '--')"
	elif is_host_name "$1"; then
		printf 'DNS:%s' "$1"
	elif is_uri "$1"; then
		printf 'URI:%s' "$1"
	else
		fail "\"$1\" is neither a name of letters, digits, dots and hyphens nor a URI"
	fi
}

# The alternative names of all arguments, for an engine.
server_names() {
	names=
	for name in "$@"; do
		alternative=$(server_name "$name")
		names=${names:+$names,}$alternative
	done
	printf '%s' "$names"
}

# A name as part of a file name: what a path cannot hold becomes a hyphen.
as_file_name() {
	printf '%s' "$1" | tr -c 'A-Za-z0-9.-' '-'
}
