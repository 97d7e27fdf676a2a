# Keeps a Postgres cluster in the directory $1 for the process at the other end of stdin.
#
# It obeys one order a line (init, start, stop, shut, demote), answers each with an exit status, and when stdin
# ends, because the other process closed it or is dead, it stops the server and removes the
# directory. Nothing else can do that after a kill -9 of the tests.

dir=$1
bin=
trap '' PIPE # nobody may be there to hear the answer; the directory must go all the same
cd "$dir" || exit 1

init() {
	"$bin/initdb" --pgdata=data --username=postgres --encoding=UTF8 --locale=C \
		--auth-local=trust --auth-host=scram-sha-256 --no-sync || return
	cat >>data/postgresql.conf <<-END
		listen_addresses = '127.0.0.1'
		unix_socket_directories = '$dir'
		unix_socket_permissions = 0700
		max_connections = 200
		password_encryption = 'scram-sha-256'
		timezone = 'UTC'
		# The data need not outlive the machine, only the server: commits stay synchronous, so
		# that a server stopped at once has them all when it comes back.
		fsync = off
		full_page_writes = off
	END
}

stop() {
	"$bin/pg_ctl" stop --silent --wait --mode="${1:-immediate}" --pgdata=data
}

while read -r order port path; do
	bin=$path
	case $order in
	init) init ;;
	start) "$bin/pg_ctl" start --silent --wait --timeout=60 --pgdata=data --log=log --options="-p $port" ;;
	stop) stop ;;
	shut) stop fast ;;
	demote) : >data/standby.signal ;;
	*) false ;;
	esac >>log 2>&1
	echo $?
done

[ -f data/postmaster.pid ] && stop >>log 2>&1
cd /
rm -rf "$dir"
