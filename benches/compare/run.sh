#!/usr/bin/env bash
# Sinew beside PostgreSQL 15 over the wire, driven by pgbench and psql. See docs/benchmarks.md.
#
#   benches/compare/run.sh sql
#
# Environment: SECONDS_PER_RUN (10), ROUNDS (3), SCALE (10), WORKLOADS (all, see CLIENTS), ENGINES
# ("postgres sinew"), SINEW (target/release/sinew), SINEW_BENCH_DIR (target): where the data of both engines lies.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(cd "$HERE/../.." && pwd)
SECONDS_PER_RUN=${SECONDS_PER_RUN:-10}
ROUNDS=${ROUNDS:-3}
SCALE=${SCALE:-10}
WORKLOADS=${WORKLOADS:-select simple tpcb insert copy group}
ENGINES=${ENGINES:-postgres sinew}
SINEW=$(realpath -m "${SINEW:-${CARGO_TARGET_DIR:-$REPOSITORY/target}/release/sinew}")
POSTGRES_BIN=/usr/lib/postgresql/15/bin
# A transaction that lost against another one is run again, in both engines.
MAX_TRIES=1000
START_TIMEOUT_SECONDS=60

declare -A PORT=() LOGIN=([postgres]=postgres [sinew]=sinew) TITLE=([postgres]=PostgreSQL [sinew]=Sinew)
# Clients of each workload: pgbench's standard scripts select-only (prepared and simple protocol) and tpcb-like, inserts of
# one row, COPY of a million rows, and aggregation of them.
declare -A CLIENTS=([select]="1 8 32" [simple]="1 8 32" [tpcb]="1 8 32" [insert]="1 8 16 32" [copy]=1 [group]=1)
COPY_ROWS=1000000
GROUP_QUERIES=5
FAILURES=()
WORK=
SINEW_PID=
SAMPLER_PID=

die() {
    echo "run.sh: $*" >&2
    exit 1
}

# Notes something that did not work; the comparison goes on, and ends with all notes and exit code 1.
failed() {
    FAILURES+=("$1")
    echo "FAILED: $1" >&2
}

# PostgreSQL refuses to run as root.
as_postgres() {
    if [[ $(id -u) == 0 ]]; then
        runuser -u postgres -- "$@"
    else
        "$@"
    fi
}

sql() { # engine, statement...
    local engine=$1
    shift
    "$POSTGRES_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "${PORT[$engine]}" -U "${LOGIN[$engine]}" \
        -d "${LOGIN[$engine]}" "$@"
}

free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    die "no free port found"
}

# Waits until an engine answers; fails when its process ends or the time is up.
wait_for() { # engine, pid
    local deadline=$((SECONDS + START_TIMEOUT_SECONDS))
    until sql "$1" -c 'SELECT 1' >/dev/null 2>&1; do
        kill -0 "$2" 2>/dev/null || return 1
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

install_postgres() {
    [[ -x $POSTGRES_BIN/initdb && -x $POSTGRES_BIN/pgbench ]] && return
    [[ $(id -u) == 0 ]] || die "PostgreSQL 15 is missing: apt-get install postgresql-15"
    echo "installing postgresql-15"
    # Debian would create and start a cluster of its own; an answer that is there already is left alone.
    mkdir -p /etc/postgresql-common
    [[ -e /etc/postgresql-common/createcluster.conf ]] ||
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql-15
}

start_postgres() {
    local data=$WORK/postgres
    mkdir "$data"
    if [[ $(id -u) == 0 ]]; then
        chown postgres: "$data"
        as_postgres test -x "$data" ||
            die "user postgres cannot reach $WORK; name another directory in SINEW_BENCH_DIR"
    fi
    PORT[postgres]=$(free_port)
    as_postgres "$POSTGRES_BIN/initdb" -D "$data" -U postgres -A trust >"$WORK/initdb.log" 2>&1 ||
        die "initdb failed: $(tail -n 3 "$WORK/initdb.log")"
    # Defaults, but for what a second cluster beside a first one needs.
    as_postgres "$POSTGRES_BIN/pg_ctl" -D "$data" -w -t "$START_TIMEOUT_SECONDS" -l "$data/server.log" \
        -o "-p ${PORT[postgres]} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" start \
        >"$WORK/pg_ctl.log" 2>&1 || die "PostgreSQL did not start: $(tail -n 5 "$data/server.log")"
    wait_for postgres "$(head -n 1 "$data/postmaster.pid")" || die "PostgreSQL does not answer"
}

start_sinew() {
    [[ -x $SINEW ]] || die "$SINEW is missing: cargo build --release"
    PORT[sinew]=$(free_port)
    "$SINEW" serve --data "$WORK/sinew" --listen "127.0.0.1:${PORT[sinew]}" --http off --log warn \
        >"$WORK/sinew.log" 2>&1 &
    SINEW_PID=$!
    wait_for sinew "$SINEW_PID" || die "Sinew did not start: $(tail -n 5 "$WORK/sinew.log")"
}

# Stops what this script started, by pid.
stop_all() {
    local status=$?
    trap - EXIT
    set +e
    # shellcheck disable=SC2086 # one word for each sampler
    [[ -n $SAMPLER_PID ]] && kill $SAMPLER_PID 2>/dev/null
    if [[ -n $SINEW_PID ]]; then
        kill -TERM "$SINEW_PID" 2>/dev/null
        wait "$SINEW_PID"
        local sinew_status=$?
        if ((sinew_status != 0)); then
            echo "Sinew ended with status $sinew_status; its last lines:" >&2
            tail -n 5 "$WORK/sinew.log" >&2
            status=1
        fi
    fi
    if [[ -f $WORK/postgres/postmaster.pid ]]; then
        # pg_ctl signals the pid in this cluster's own postmaster.pid.
        as_postgres "$POSTGRES_BIN/pg_ctl" -D "$WORK/postgres" -m fast -w stop >/dev/null
    fi
    [[ -n $WORK ]] && rm -rf "$WORK"
    exit "$status"
}

# The tables of all workloads.
load() { # engine
    local engine=$1 log=$WORK/load-$1.log
    "$POSTGRES_BIN/pgbench" -h 127.0.0.1 -p "${PORT[$engine]}" -U "${LOGIN[$engine]}" -i -q -s "$SCALE" \
        "${LOGIN[$engine]}" >"$log" 2>&1 || die "${TITLE[$engine]}: pgbench -i failed: $(tail -n 3 "$log")"
    echo "${TITLE[$engine]}: pgbench -i -s $SCALE: $(tail -n 1 "$log")"
    sql "$engine" -c 'CREATE TABLE compare_inserts (client int, payload text)' \
        -c 'CREATE TABLE compare_copy (id bigint PRIMARY KEY, g int, x int, payload text)' ||
        die "${TITLE[$engine]}: the tables were not created"
}

# Proportional resident memory of an engine's processes, in KiB.
memory_kib() { # engine
    local engine=$1 root pid
    case $engine in
        sinew) root=$SINEW_PID ;;
        postgres) root=$(head -n 1 "$WORK/postgres/postmaster.pid") ;;
    esac
    for pid in "$root" $(ps -o pid= --ppid "$root"); do
        awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null
    done | awk '{ sum += $1 } END { print sum + 0 }'
}

# Writes an engine's largest memory so far to a file, twice a second.
sample_memory() { # engine, file
    local largest=0 now
    while sleep 0.5; do
        now=$(memory_kib "$1")
        if ((now > largest)); then
            largest=$now
            echo "$largest" >"$2"
        fi
    done
}

elapsed_s() { # nanoseconds since 1970 at the beginning
    awk -v began="$1" -v ended="$(date +%s%N)" 'BEGIN { printf "%.3f", (ended - began) / 1e9 }'
}

# COPY of a million rows, or aggregations of them: rows or queries per second.
run_long() { # engine, workload, round
    local engine=$1 workload=$2 round=$3 err=$WORK/err status=0 began seconds count queries=() i
    if [[ $workload == copy ]]; then
        [[ -e $WORK/copy.tsv ]] ||
            seq "$COPY_ROWS" | awk '{ printf "%d\t%d\t%d\tpayload of row %d, fifty bytes of text in all....\n", $1, $1 % 1000, $1 * 7919 % 100003, $1 }' >"$WORK/copy.tsv"
        sql "$engine" -c 'TRUNCATE compare_copy' 2>"$err" || status=$?
        count=$COPY_ROWS
        began=$(date +%s%N)
        sql "$engine" -c "\\copy compare_copy FROM '$WORK/copy.tsv'" 2>>"$err" || status=$?
    else
        count=$GROUP_QUERIES
        for ((i = 0; i < count; i++)); do
            queries+=(-c 'SELECT g, count(*), avg(x) FROM compare_copy GROUP BY g')
        done
        began=$(date +%s%N)
        sql "$engine" "${queries[@]}" >"$WORK/out" 2>"$err" || status=$?
    fi
    seconds=$(elapsed_s "$began")
    if ((status != 0)); then
        failed "${TITLE[$engine]}, $workload, round $round: status $status: $(head -n 3 "$err" | tr '\n' ' ')"
        return
    fi
    record "$engine" "$workload" 1 "$round" "$(awk -v count="$count" -v s="$seconds" 'BEGIN { print count / s }')" "$seconds s"
}

record() { # engine, workload, clients, round, rate, remark
    printf '%-10s %-7s %3d clients  round %d  %12.1f/s  %s\n' "${TITLE[$1]}" "$2" "$3" "$4" "$5" "$6"
    echo "$2 $3 $1 $5" >>"$WORK/results"
}

# One run of pgbench; its TPS goes to the results.
run() { # engine, workload, clients, round
    local engine=$1 workload=$2 clients=$3 round=$4 out=$WORK/out err=$WORK/err status=0 tps failed_count retried
    local mode=prepared script
    case $workload in
        copy | group)
            run_long "$engine" "$workload" "$round"
            return
            ;;
        select) script=(-b select-only) ;;
        simple) script=(-b select-only) mode=simple ;;
        tpcb) script=(-b tpcb-like) ;;
        insert) script=(-f "$HERE/pgbench/insert.sql") ;;
    esac
    local what="${TITLE[$engine]}, $workload, $clients clients, round $round"
    timeout $((SECONDS_PER_RUN + 60)) "$POSTGRES_BIN/pgbench" -h 127.0.0.1 -p "${PORT[$engine]}" \
        -U "${LOGIN[$engine]}" -n -M "$mode" -s "$SCALE" -c "$clients" -j "$((clients < 2 ? 1 : 2))" \
        -T "$SECONDS_PER_RUN" --max-tries="$MAX_TRIES" "${script[@]}" "${LOGIN[$engine]}" \
        >"$out" 2>"$err" || status=$?
    tps=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$out")
    failed_count=$(sed -n 's/^number of failed transactions: \([0-9]*\).*/\1/p' "$out")
    retried=$(sed -n 's/^total number of retries: \([0-9]*\).*/\1/p' "$out")
    if ((status != 0)) || [[ -z $tps ]]; then
        # Lines that say nothing but the version or that a client ended are of no use.
        failed "$what: status $status: $(grep -v -e '^pgbench (' -e 'Run was aborted' "$err" | head -n 3 | tr '\n' ' ')"
        return
    fi
    if ((${failed_count:-0} > 0)); then
        failed "$what: $failed_count transactions given up after $MAX_TRIES tries"
    fi
    record "$engine" "$workload" "$clients" "$round" "$tps" "${retried:-0} retries"
}

# The median of an engine's rounds (the upper of two middle ones), or nothing.
median_rate() { # workload, clients, engine
    awk -v key="$1 $2 $3" '$1 " " $2 " " $3 == key { print $4 }' "$WORK/results" | sort -g |
        awk '{ rate[NR - 1] = $1 } END { if (NR) print rate[int(NR / 2)] }'
}

print_table() {
    local workload clients engine tps postgres_tps sinew_tps
    echo
    printf '%-8s %8s' workload clients
    for engine in $ENGINES; do
        printf ' %14s' "${TITLE[$engine]}/s"
    done
    printf ' %18s\n' 'Sinew/PostgreSQL'
    for workload in $WORKLOADS; do
        for clients in ${CLIENTS[$workload]}; do
            printf '%-8s %8d' "$workload" "$clients"
            for engine in $ENGINES; do
                tps=$(median_rate "$workload" "$clients" "$engine")
                if [[ -n $tps ]]; then printf ' %14.1f' "$tps"; else printf ' %14s' failed; fi
            done
            postgres_tps=$(median_rate "$workload" "$clients" postgres)
            sinew_tps=$(median_rate "$workload" "$clients" sinew)
            if [[ -n $postgres_tps && -n $sinew_tps ]]; then
                printf ' %18s\n' "$(awk -v a="$sinew_tps" -v b="$postgres_tps" 'BEGIN { printf "%.2f", a / b }')"
            else
                printf ' %18s\n' -
            fi
        done
    done
}

# What pgbench's TPC-B-like transactions must have kept.
check_balances() { # engine
    local sums
    if ! sums=$(sql "$1" -c 'SELECT (SELECT sum(bbalance) FROM pgbench_branches),
                                    (SELECT coalesce(sum(delta), 0) FROM pgbench_history)' 2>&1); then
        failed "${TITLE[$1]}: the balances cannot be read: $sums"
    elif [[ ${sums%|*} != "${sums#*|}" ]]; then
        failed "${TITLE[$1]}: updates were lost: balances and history sum to $sums"
    fi
}

compare() {
    local engine workload clients round
    for workload in $WORKLOADS; do
        [[ -n ${CLIENTS[$workload]:-} ]] || die "no workload \"$workload\"; there are ${!CLIENTS[*]}"
    done
    for engine in $ENGINES; do
        [[ -n ${TITLE[$engine]:-} ]] || die "no engine \"$engine\"; there are postgres and sinew"
    done
    [[ " $ENGINES " != *" sinew "* || -x $SINEW ]] || die "$SINEW is missing: cargo build --release"
    install_postgres

    local base=${SINEW_BENCH_DIR:-${CARGO_TARGET_DIR:-$REPOSITORY/target}} file_system
    mkdir -p "$base"
    file_system=$(stat -f -c %T "$base")
    [[ $file_system != tmpfs && $file_system != ramfs ]] ||
        die "$base is on $file_system, where durability costs nothing; name a directory on a disk in SINEW_BENCH_DIR"
    trap stop_all EXIT
    trap 'exit 130' INT TERM
    WORK=$(realpath "$(mktemp -d "$base/compare-XXXXXX")")
    # User postgres must reach its data below.
    chmod 755 "$WORK"
    cd "$WORK"
    touch results

    for engine in $ENGINES; do
        "start_$engine"
    done
    local revision
    revision=$(git -C "$REPOSITORY" describe --always --dirty 2>/dev/null || echo unknown)
    echo "$(date -u +%F), $(nproc) cores, data on $file_system, revision $revision"
    for engine in $ENGINES; do
        echo "${TITLE[$engine]}: $(sql "$engine" -c 'SELECT version()' 2>&1)," \
            "synchronous_commit $(sql "$engine" -c 'SHOW synchronous_commit' 2>&1)"
        load "$engine"
    done

    for engine in $ENGINES; do
        sample_memory "$engine" "$WORK/memory-$engine" &
        SAMPLER_PID="$SAMPLER_PID $!"
    done
    for workload in $WORKLOADS; do
        for ((round = 1; round <= ROUNDS; round++)); do
            for clients in ${CLIENTS[$workload]}; do
                for engine in $ENGINES; do
                    run "$engine" "$workload" "$clients" "$round"
                done
            done
        done
    done
    for engine in $ENGINES; do
        check_balances "$engine"
    done
    print_table
    echo
    for engine in $ENGINES; do
        echo "${TITLE[$engine]}: largest memory $(($(cat "$WORK/memory-$engine") / 1024)) MiB (proportional set size of its processes)"
    done
    if ((${#FAILURES[@]} > 0)); then
        echo
        echo "What failed:"
        printf '  %s\n' "${FAILURES[@]}"
        exit 1
    fi
}

case ${1:-} in
    sql) compare ;;
    *) die "usage: run.sh sql" ;;
esac
