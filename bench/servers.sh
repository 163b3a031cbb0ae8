#!/usr/bin/env bash
# Servers beside each other: what one request costs them in CPU time, user and system, of the whole
# process. The load is `annulus load`, on another CPU, the same for each.
#
#   bench/servers.sh kv              the example kv beside redis-server, one thread each
#   bench/servers.sh files           annulus serve beside nginx, one worker each
#   ROUNDS=5 SECONDS_EACH=2 bench/servers.sh kv
#
# Needs release builds: cargo build --release -p annulus-cli; cargo build --release --example kv
# -p annulus-examples. A server that is not installed is left out.
set -euo pipefail

target=${CARGO_TARGET_DIR:-"$(dirname "$0")/../target"}/release
rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-1}
scratch=$(mktemp -d)
pids=()
finish() {
    ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT

# start NAME COMMAND…: starts a server on CPU 0, and remembers its process.
declare -A pid_of
start() {
    local name=$1
    shift
    taskset -c 0 "$@" >"$scratch/$name.log" 2>&1 &
    pids+=($!)
    pid_of[$name]=$!
}

# one NAME TARGET ARGUMENT…: CPU time of the server for each answer, in µs.
one() {
    local pid=$1
    shift
    # What it answers with an error would be cheap.
    taskset -c 1 "$target/annulus" load "$@" --quiet --duration "${seconds}s" --timeout 5s \
        --server-pid "$pid" --json "$scratch/one.json" >"$scratch/load.log" 2>&1 ||
        { cat "$scratch/load.log" >&2; return 1; }
    sed -n 's/.*"us_per_answer": \([0-9.]*\).*/\1/p; s/.*"failed": \([1-9][0-9]*\),*/failed \1/p' "$scratch/one.json"
}

# compare TITLE NAME,TARGET,…: rounds forward and backward, then medians.
compare() {
    local title=$1 round name line order
    shift
    local -n servers=$1
    shift
    for ((round = 0; round < rounds; round++)); do
        order=("${!servers[@]}")
        ((round % 2 == 0)) || mapfile -t order < <(printf '%s\n' "${order[@]}" | tac)
        for name in "${order[@]}"; do
            line=$(one "${pid_of[$name]}" "${servers[$name]}" "$@")
            echo "$line" >>"$scratch/$name.$title"
        done
    done
    printf '%-24s' "$title"
    for name in "${!servers[@]}"; do
        printf '  %s %8.3f µs' "$name" \
            "$(sort -n "$scratch/$name.$title" | sed -n "$(((rounds + 1) / 2))p")"
    done
    printf '\n'
}

# A value for each key, so that what is got is there.
fill() {
    "$target/annulus" load "$1" --quiet --requests 20000 --sets 10 --keys 1000 --pipeline 16 >/dev/null
}

kv() {
    declare -A kvs
    start kv "$target/examples/kv" --addr 127.0.0.1:16379 --cores 1
    kvs[kv]=redis://127.0.0.1:16379
    if command -v redis-server >/dev/null; then
        start redis redis-server --port 16380 --save '' --appendonly no --dir "$scratch"
        kvs[redis]=redis://127.0.0.1:16380
    fi
    sleep 0.5
    local server
    for server in "${kvs[@]}"; do fill "$server"; done
    compare "pipeline 1, 50 c" kvs -c 50 --sets 5 --keys 1000
    compare "pipeline 16, 50 c" kvs -c 50 --sets 5 --keys 1000 --pipeline 16
    compare "GET pipeline 16" kvs -c 50 --keys 1000 --pipeline 16
    compare "SET pipeline 16" kvs -c 50 --sets 10 --keys 1000 --pipeline 16
}

files() {
    declare -A here
    mkdir "$scratch/www"
    head -c 1024 /dev/urandom >"$scratch/www/1k"
    head -c 102400 /dev/urandom >"$scratch/www/100k"
    head -c 10485760 /dev/urandom >"$scratch/www/10m"
    chmod -R a+rX "$scratch"
    start serve "$target/annulus" serve "$scratch/www" --addr 127.0.0.1:16381 --cores 1
    here[serve]=http://127.0.0.1:16381
    if command -v nginx >/dev/null; then
        cat >"$scratch/nginx.conf" <<CONF
worker_processes 1;
daemon off;
master_process off;
pid $scratch/nginx.pid;
error_log stderr;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    open_file_cache max=1000 inactive=60s;
    open_file_cache_min_uses 1;
    server { listen 127.0.0.1:16382; root $scratch/www; }
}
CONF
        start nginx nginx -c "$scratch/nginx.conf"
        here[nginx]=http://127.0.0.1:16382
    fi
    sleep 0.5
    local file name
    for file in 1k 100k 10m; do
        declare -A urls
        for name in "${!here[@]}"; do urls[$name]=${here[$name]}/$file; done
        local connections=64
        [[ $file == 10m ]] && connections=8
        compare "$file" urls -c $connections
    done
}

case ${1:-} in
    kv | files) "$1" ;;
    *)
        sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
