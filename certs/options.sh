# --- The command line -------------------------------------------------------------------------------------------------

[ $# -gt 0 ] || {
	usage >&2
	exit 2
}
command=$1
case $command in
-h | --help | help)
	usage
	exit 0
	;;
esac
shift

# Takes the options out of the arguments, wherever they stand, and leaves the names.
remaining=$#
while [ "$remaining" -gt 0 ]; do
	argument=$1
	shift
	remaining=$((remaining - 1))
	case $argument in
	--dir | --days | --key | --out | --trust | --engine | --database | --password-file | --key-password-file)
		[ "$remaining" -gt 0 ] || fail "$argument needs a value"
		case $argument in
		--dir) dir=$1 ;;
		--days) days=$1 ;;
		--key) key_kind=$1 ;;
		--out) out=$1 ;;
		--trust) trusted="$trusted $1" ;;
		--engine) engine=$1 ;;
		--database) database=$1 ;;
		--password-file) password=$(read_password "$1") ;;
		--key-password-file) key_password=$(read_password "$1") ;;
		esac
		shift
		remaining=$((remaining - 1))
		;;
	-h | --help)
		usage
		exit 0
		;;
	-*) fail "unknown option $argument; predictor-certs --help lists them" ;;
	*) set -- "$@" "$argument" ;;
	esac
done

command -v openssl >/dev/null 2>&1 || fail "the openssl command is not installed"
case $key_kind in ec | rsa) ;; *) fail "--key must be ec or rsa" ;; esac
case $command in
init | server | client | renew | revoke | list | check | embedded) "$command" "$@" ;;
bundle-for-engine) bundle_for_engine "$@" ;;
bundle-for-database) bundle_for_database "$@" ;;
*) fail "unknown command $command; predictor-certs --help lists them" ;;
esac
