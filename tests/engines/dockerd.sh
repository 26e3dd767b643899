#!/bin/sh
# A real dockerd for the tests to compare with, apart from any other on this machine. Needs root.
#
#   dockerd.sh start     installs what is missing, starts it unless it runs, prints DOCKER_HOST=…
#   dockerd.sh status    prints DOCKER_HOST=… if it answers; exit code 1 if not
#   dockerd.sh stop      ends it; its images stay
#
# LAYERLAB_ENGINES_DIR says where it keeps everything (default: .layerlab/engines in the project).
set -eu

project=$(cd "$(dirname "$0")/../.." && pwd)
home=${LAYERLAB_ENGINES_DIR:-$project/.layerlab/engines}
# A socket's path must be short (107 bytes), a bridge's name shorter (15): both are named by the place.
number=$(printf %s "$home" | cksum | cut -d' ' -f1)
run=${TMPDIR:-/tmp}/layerlab-dockerd-$number
bridge=ll$(printf %s "$number" | cut -c1-8)
socket=$run/docker.sock
pidfile=$run/docker.pid

answers() { [ -S "$socket" ] && timeout 10 docker --host "unix://$socket" version >/dev/null 2>&1; }
is_ours() { tr '\0' ' ' 2>/dev/null < "/proc/$1/cmdline" | grep -q -- "$socket"; }

# A network of 256 addresses that nothing on this machine has.
free_network() {
    for third in $(seq 200 254); do
        if ! ip -4 route show | grep -q "^10\.253\.$third\."; then echo "10.253.$third.1/24"; return; fi
    done
    echo "no free network in 10.253.0.0/16 for a bridge" >&2
    exit 1
}

make_bridge() {
    ip link show "$bridge" >/dev/null 2>&1 && return
    ip link add "$bridge" type bridge
    ip address add "$(free_network)" dev "$bridge"
    ip link set "$bridge" up
}

start() {
    if answers; then return; fi
    [ "$(id -u)" = 0 ] || { echo "a real dockerd needs root: run this as root" >&2; exit 1; }
    "$project/binder/packages.sh" require < "$project/tests/engines/apt.txt" >&2
    mkdir -p "$home" "$run"
    chmod 711 "$run"
    make_bridge
    rm -f "$pidfile"
    echo '{}' > "$home/daemon.json"
    setsid dockerd --host "unix://$socket" --bridge "$bridge" \
        --data-root "$home/docker" --exec-root "$run/exec" --pidfile "$pidfile" \
        --config-file "$home/daemon.json" > "$home/dockerd.log" 2>&1 < /dev/null &
    for _ in $(seq 120); do
        if answers; then return; fi
        kill -0 $! 2>/dev/null || break
        sleep 0.5
    done
    echo "dockerd does not answer; its last words:" >&2
    tail -n 20 "$home/dockerd.log" >&2
    exit 1
}

stop() {
    if [ -f "$pidfile" ] && is_ours "$(cat "$pidfile")"; then
        pid=$(cat "$pidfile")
        kill "$pid"
        for _ in $(seq 60); do
            [ -d "/proc/$pid" ] || break
            sleep 0.5
        done
    fi
    ip link delete "$bridge" 2>/dev/null || true
    rm -rf "$run"
}

case "${1:-}" in
    start) start; echo "DOCKER_HOST=unix://$socket" ;;
    status) if answers; then echo "DOCKER_HOST=unix://$socket"; else echo "not running" >&2; exit 1; fi ;;
    stop) stop ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
