#!/bin/sh
# Starts three servers of the queue, two gateways and two consumers on this machine, on
# loopback, to look at what becomes of mail when any of them is killed:
#
#   sh try.sh FOLDER [FIRST-PORT]
#
# It needs nats-server and smtpreceiver in PATH, and the forty ports behind FIRST-PORT,
# 24220, free. Everything lies in FOLDER. Mail goes to the SMTP ports it prints, from some
# ten seconds later on; jobs come into FOLDER/jobs. The processes stand in FOLDER/pids:
# kill any, and start it again with sh FOLDER/NAME. Ctrl-C, or an end, ends all.
set -eu
[ $# -ge 1 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/jobs/fax" "$1/jobs/sms"
dir=$(cd "$1" && pwd)
port=${2:-24220}
for program in nats-server smtpreceiver; do
  command -v $program >/dev/null || { echo "$program is not in PATH" >&2; exit 69; }
done
umask 077
password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

servers= monitors= routes=
for i in 1 2 3; do
  servers="$servers${servers:+, }'nats://127.0.0.1:$((port + i))'"
  monitors="$monitors${monitors:+, }'http://127.0.0.1:$((port + 10 + i))'"
  routes="$routes${routes:+, }nats://127.0.0.1:$((port + 20 + i))"
done

# part NAME COMMAND...: writes the script that starts a part, and starts it.
part() {
  name=$1
  shift
  printf '#!/bin/sh\n%s >>"%s/%s.log" 2>&1 &\necho "$! %s" >>"%s/pids"\n' "$*" "$dir" "$name" "$name" "$dir" >"$dir/$name"
  sh "$dir/$name"
}

: >"$dir/pids"
trap 'while read -r pid name; do kill "$pid" 2>/dev/null || :; done <"$dir/pids"; wait' EXIT
trap 'exit 0' INT TERM

export GATEWAY_PASSWORD="$password" SMTPRECEIVER_QUEUE_PASSWORD="$password"
for i in 1 2 3; do
  mkdir -p "$dir/store$i"
  sed -e "s|0.0.0.0:4222|127.0.0.1:$((port + i))|; s|0.0.0.0:8222|127.0.0.1:$((port + 10 + i))|; s|0.0.0.0:6222|127.0.0.1:$((port + 20 + i))|" \
    -e "s|/var/lib/nats|$dir/store$i|; s|routes: .*\]|routes: [$routes]|" "$here/nats-server.conf" >"$dir/mq$i.conf"
  part mq$i nats-server --config "$dir/mq$i.conf" --name mq$i
done

# configuration NAME SMTP-PORT
configuration() {
  cat >"$dir/$1.yaml" <<EOF
instance: $1
state_directory: $dir/$1-state
smtp_ip_address: 127.0.0.1
smtp_port: $2
clients: 127.0.0.1
log_event_log: ''
metrics: {listen: 'unix:$dir/$1.sock'}
queue: {servers: [$servers], monitor: [$monitors], username: gateway, max_size: 1GiB}
applications:
  fax: {ctl_type: fax, addresses: '(?P<number>\+?\d+)@fax$', process_attachments: 1}
  sms: {ctl_type: sms, addresses: '(?P<number>\+?\d+)@sms$'}
consume:
  fax: {target: folder, target_folder: $dir/jobs/fax}
  sms: {target: folder, target_folder: $dir/jobs/sms}
EOF
  mkdir -p "$dir/$1-state"
}
for i in 1 2; do
  configuration gw$i $((port + 30 + i))
  configuration consumer$i 0
  part gw$i smtpreceiver standalone --config "$dir/gw$i.yaml"
  part consumer$i smtpreceiver consume --config "$dir/consumer$i.yaml"
done

echo "gateways: 127.0.0.1:$((port + 31)) and 127.0.0.1:$((port + 32))"
echo "look:     smtpreceiver status --config $dir/gw1.yaml (SMTPRECEIVER_QUEUE_PASSWORD=$password)"
echo "jobs:     ls $dir/jobs/fax $dir/jobs/sms"
while :; do sleep 1; done
