#!/bin/sh
# Makes the folder gateway anew: ./make.sh PROGRAM, where PROGRAM is the first
# series. Wants Linux, root (for a host name of its own and /srv/smtpreceiver),
# strace and curl. The program is killed by SIGKILL as it enters a system call,
# so that call is not made.
set -eu
program=$(readlink -f "$1")
here=$(dirname "$(readlink -f "$0")")
root=/srv/smtpreceiver
if [ "${2:-}" != inside ]; then
	[ ! -e "$root" ] || { echo "$root is there already" >&2; exit 1; }
	exec unshare --uts sh -c 'hostname gateway && exec "$0" "$1" inside' "$here/make.sh" "$program"
fi
work=$(mktemp -d)
trap 'rm -rf "$work" "$root"' EXIT
mkdir -p "$root/fax" "$root/sms" "$root/state" "$work/left"
cp "$here/gateway/smtpreceiver.yaml" "$root"
sed 's/$/\r/' "$here/mail.eml" >"$work/mail"
{ sed '/^Pump 3/q' "$here/mail.eml"; yes 'This text is longer than memory_per_message.' | head -2000; } | sed 's/$/\r/' >"$work/long"

# start [strace's arguments…]
start() {
	: >"$work/log"
	if [ $# -gt 0 ]; then set -- strace -f -o /dev/null "$@"; fi
	(cd "$root" && exec "$@" "$program" standalone -c "$root/smtpreceiver.yaml") >"$work/log" 2>&1 &
	tracer=$!
	until grep -q 'msg=started' "$work/log"; do sleep 0.1; done
	port=$(sed -n 's/.* listen=127.0.0.1:\([0-9]*\).*/\1/p' "$work/log")
}

# mail RECIPIENT…
mail() {
	for to; do set -- "$@" --mail-rcpt "$to"; shift; done
	curl -s "smtp://127.0.0.1:$port" --mail-from petr@example.com "$@" -T "$work/mail" || true
}

# aside DIRECTORY…: what a killed program left must not be settled by the next one.
aside() {
	for folder; do
		mkdir -p "$work/left/$folder"
		cp -a "$root/$folder/." "$work/left/$folder"
		rm -rf "${root:?}/$folder"
		mkdir "$root/$folder"
	done
}

# killed_at RECIPIENT… -- strace's arguments…
killed_at() {
	to=
	while [ "$1" != -- ]; do to="$to $1"; shift; done
	shift
	start "$@"
	mail $to
	wait $tracer || true
	aside fax sms
}

start
mail 1@fax
mail 10@sms
mail 11@sms
mail 12@sms
mail 13@sms
mail 14@sms
mail 15@sms
mail 16@sms
kill -KILL $tracer
wait $tracer || true
rm -rf "$root"/fax/.staging "$root"/sms/.staging # empty: every mail was answered
mkdir "$work/jobs"
mv "$root"/sms/* "$work/jobs"
aside fax

# The numbers of each process begin behind a block of 100.
killed_at 101@fax 102@sms 103@fax -- -e trace=renameat2 -e inject=renameat2:signal=KILL
killed_at 201@fax 202@sms 203@fax -- -P "$root/fax/00000201.txt" -e inject=renameat2:signal=KILL
killed_at 301@fax 302@sms 303@fax -- -P "$root/fax/00000303.txt" -e inject=renameat2:signal=KILL
killed_at 401@fax 402@sms 403@fax -- -P "$root/sms/00000402.ctl" -e inject=renameat2:signal=KILL
killed_at 501@fax -- -P "$root/fax/00000501_1_report.pdf" -e inject=renameat2:signal=KILL
killed_at 601@fax -- -P "$root/fax/00000601.ctl" -e inject=renameat2:signal=KILL
start
curl -s --limit-rate 20k "smtp://127.0.0.1:$port" --mail-from petr@example.com --mail-rcpt 701@fax -T "$work/long" &
sleep 2
kill -KILL $tracer
wait || true
aside fax sms

# consume NUMBER [strace's arguments…]
consume() {
	stem=$(grep -l "^number=$1" "$work"/jobs/*.ctl | sed 's/.*\/\(.*\)\.ctl/\1/')
	mv "$work/jobs/$stem".* "$root/sms"
	shift
	if [ $# -gt 0 ]; then set -- strace -f -o /dev/null "$@"; fi
	(cd "$root" && exec "$@" "$program" consume --once -c "$root/smtpreceiver.yaml") || true
}
behind() { grep -l "^number=$1" "$work"/jobs/*.ctl | sed 's/.*\/\(.*\)\.ctl/\1/'; }

cat >"$root/send" <<'END'
#!/bin/sh
case $1 in
10) echo 'the modem is busy' >&2; exit 75 ;;
11 | 15) echo 'no such number' >&2; exit 1 ;;
12) kill -KILL $PPID; exit 1 ;;
esac
END
chmod +x "$root/send"
day=$(date +%F)
consume 10
aside sms
consume 11
aside sms
consume 12
aside sms
consume 13
aside sms
stem=$(behind 14)
consume 14 -P "$root/sms/.done/$day/$stem.ctl" -e inject=renameat:signal=KILL
aside sms
stem=$(behind 15)
consume 15 -P "$root/sms/.failed/$stem.ctl" -e inject=renameat:signal=KILL
aside sms
stem=$(behind 16)
consume 16 -P "$root/sms/.consume/$stem.json" -e inject=renameat:signal=KILL
aside sms

rm -rf "$here/gateway/fax" "$here/gateway/sms" "$here/gateway/state"
cp -r "$work/left/fax" "$work/left/sms" "$root/state" "$here/gateway"
chmod -R u=rwX,go=rX "$here/gateway"
