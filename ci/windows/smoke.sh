#!/usr/bin/env bash
# smoke.sh [YUMEN.EXE]   the program as an operator meets it on Windows, under Wine, with clients and origin on Linux:
# console, Ctrl-C, service life, reload under load, a refused configuration, two services, a killed process, a wrong start.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
EXE=${1:-${CARGO_TARGET_DIR:-$ROOT/target}/$TRIPLE/debug/yumen.exe}
# Ports below those that systems give to clients; three times the same shift, so that two runs can stand side by side.
BASE=$((21000 + $$ % 500 * 8))
A=$BASE B=$((BASE + 1)) ADMIN_A=$((BASE + 2)) ADMIN_B=$((BASE + 3)) ONE=$((BASE + 4)) TWO=$((BASE + 5))
FROM=$WIN/prefix.tmpl
export WINEPREFIX=$(mktemp -d "$WIN/smoke.XXXXXX")
cp -a "$FROM/." "$WINEPREFIX/"
win_wine_env
OUT=$WINEPREFIX/out DIR=$WINEPREFIX/drive_c/yumen X='C:\yumen\yumen.exe' PIDS=()
LOG=$WINEPREFIX/drive_c/ProgramData/Yumen/yumen/logs/yumen.log
FAILED=0 PASSED=0
cleanup() { trap - ERR; set +e; kill "${PIDS[@]}" 2>/dev/null; wine_stop; [ -n "${SMOKE_KEEP:-}" ] || rm -rf "$WINEPREFIX"; }
trap cleanup EXIT
ok() { PASSED=$((PASSED + 1)); say "ok    $*"; }
bad() { FAILED=$((FAILED + 1)); say "FAIL  $*"; sed 's/^/        /' "$OUT" | tail -12 >&2 || true; }
# check TEXT COMMAND...   one line of the report
check() { local text=$1; shift; if "$@"; then ok "$text"; else bad "$text"; fi; }
# until_ COMMAND...   wait for a condition, half a minute at most
until_() { local i; for i in $(seq 150); do "$@" && return 0; sleep 0.2; done; return 1; }
answers() { [ "$(curl -s --max-time 2 "http://127.0.0.1:$1/")" = "$2" ]; }
is_down() { ! curl -s --max-time 1 -o /dev/null "http://127.0.0.1:$1/"; }
# yumen ARGS...   runs it; output in $OUT, exit code in $CODE
yumen() { CODE=0; w "$OUT" "$X" "$@" || CODE=$?; }
# expect CODE TEXT   of the last run
expect() { [ "$CODE" = "$1" ] && grep -aq -- "$2" "$OUT"; }
config() { # FILE PORT ADMIN ORIGIN
    printf '%s\n' "listeners: { web: { bind: \"127.0.0.1:$2\" } }" "routes: { all: { upstream: up } }" \
        "upstreams: { up: { endpoints: [\"127.0.0.1:$4\"] } }" "admin: { listen: \"127.0.0.1:$3\" }" \
        "log: { access: { output: off } }" "runtime: { drain_timeout: 20s, workers: 2 }" >"$DIR/$1.new"
    mv "$DIR/$1.new" "$DIR/$1"
}

# --- the stage: two origins on Linux; `/slow` takes two seconds --------------------------------------------
cat >"$WINEPREFIX/origin.py" <<'P'
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(2)
        body = sys.argv[2].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
Server(("127.0.0.1", int(sys.argv[1])), Origin).serve_forever()
P
for pair in "$ONE one" "$TWO two"; do
    # shellcheck disable=SC2086
    LD_LIBRARY_PATH= python3 "$WINEPREFIX/origin.py" $pair >/dev/null 2>&1 </dev/null & PIDS+=($!)
done
mkdir -p "$DIR"; cp "$EXE" "$DIR/yumen.exe"
wine_start
until_ answers "$ONE" one || { say "the origin does not start"; exit 1; }

# --- 1. console ---------------------------------------------------------------------------------------------
config a.yaml "$A" "$ADMIN_A" "$ONE"
"$WINE" "$X" run -c 'C:\yumen\a.yaml' >"$OUT" 2>&1 </dev/null & pid=$!
check "console: a request passes" until_ answers "$A" one
curl -s --max-time 10 "http://127.0.0.1:$A/slow" >"$WINEPREFIX/slow" & slow=$!
sleep 0.5; kill -INT $pid; wait $slow || true
check "console: the request in flight ends well after Ctrl-C" grep -q one "$WINEPREFIX/slow"
CODE=0; wait $pid || CODE=$?
check "console: Ctrl-C ends it with 0" [ "$CODE" = 0 ]

# --- 2. life of a service -----------------------------------------------------------------------------------
yumen service status; check "status: not installed is exit code 4" expect 4 "not installed"
yumen service run -c 'C:\yumen\a.yaml'; check "run: only the service manager may" expect 1 "service manager"
printf 'listners: {}\n' >"$DIR/bad.yaml"
yumen service install --name bad -c 'C:\yumen\bad.yaml'; check "install: a refused configuration is not installed" expect 1 listners
yumen service install -c 'C:\yumen\a.yaml'; check "install" expect 0 "registered yumen"
sed 's/^/        /' "$OUT" >&2
yumen service start; check "start waits until it serves" expect 0 "runs"
check "service: a request passes" answers "$A" one
yumen service status; check "status: running, with what the gateway does" expect 0 "yumen: running"
check "status: names the file and the generation" grep -aq 'generation 1' "$OUT"

# reload by control under load; the origin changes, so that it is seen
load() { env -u LD_LIBRARY_PATH wrk -t1 -c8 -d"$1"s "http://127.0.0.1:$A/" >"$WINEPREFIX/wrk" 2>&1; }
load 12 & loading=$!
for origin in "$TWO two" "$ONE one" "$TWO two"; do
    # shellcheck disable=SC2086
    set -- $origin
    config a.yaml "$A" "$ADMIN_A" "$1"
    yumen service reload; check "reload by control under load: $2" expect 0 "is in force"
    check "reload: the other origin answers" until_ answers "$A" "$2"
done
wait $loading || true
requests=$(sed -n 's/ *\([0-9]*\) requests in.*/\1/p' "$WINEPREFIX/wrk")
! grep -qE 'Socket errors|Non-2xx' "$WINEPREFIX/wrk" && [ "${requests:-0}" -gt 100 ] && ok "reload: 0 of $requests requests failed" ||
    { cp "$WINEPREFIX/wrk" "$OUT"; bad "reload: failed requests"; }
check "reload: the service heard the control" eval '[ "$(grep -c PARAMCHANGE "$LOG")" -ge 3 ]'
cp "$DIR/bad.yaml" "$DIR/a.yaml"
yumen service reload; check "reload: a refused configuration is told" expect 1 listners
yumen service status; check "status: exit code 3 while the last one is refused" expect 3 REFUSED
check "reload: what ran runs on" answers "$A" two
config a.yaml "$A" "$ADMIN_A" "$ONE"
yumen service reload; check "reload: mended" expect 0 "is in force"

# two side by side
config b.yaml "$B" "$ADMIN_B" "$TWO"
yumen service install --name edge -c 'C:\yumen\b.yaml' --now; check "second service: installed and started" expect 0 "yumen-edge runs"
check "two services side by side" eval 'answers $A one && answers $B two'
yumen service logs; check "logs: the log of the service" expect 0 "configuration put in force"
curl -s --max-time 15 "http://127.0.0.1:$A/slow" >"$WINEPREFIX/slow" & slow=$!
sleep 0.5; yumen service stop; check "stop waits for connections" expect 0 "has stopped"
wait $slow || true; check "stop: the request in flight ends well" grep -q one "$WINEPREFIX/slow"
check "stop: the address is closed" is_down "$A"
check "stop: the other service runs on" answers "$B" two
yumen service restart --name edge; check "restart" expect 0 "yumen-edge runs"

# a killed process; Wine does not act on failure actions, so it is started by hand
pid=$(pgrep -f 'yumen[.]exe.*service run --name edge' | head -1 || true)
check "kill: the process of the service is found" [ -n "$pid" ]
kill -9 "$pid" 2>/dev/null || true
check "kill: the address is closed" until_ is_down "$B"
w "$OUT" sc.exe stop yumen-edge || true
yumen service start --name edge; check "kill: started again" expect 0 "yumen-edge runs"
check "kill: it serves again" until_ answers "$B" two

# a wrong configuration at start is told at once; the last good copy is removed, which would stand in
cp "$DIR/bad.yaml" "$DIR/a.yaml"
find "$WINEPREFIX/drive_c/ProgramData/Yumen/yumen" -name last-good.json -delete
began=$SECONDS
yumen service start; check "wrong start: code 10 and the reason" expect 1 "code 10"
check "wrong start: at once, not by a time-out" [ $((SECONDS - began)) -lt 20 ]
check "wrong start: the place in the file" grep -aq listners "$OUT"
yumen service status; check "status: failed, and why" expect 1 "the configuration was refused"
w "$OUT" sc.exe query yumen || true; check "sc.exe: service-specific exit code 10" grep -aqiE 'SERVICE_EXIT_CODE *: *(10|0xa)' "$OUT"

# --- 3. the end ---------------------------------------------------------------------------------------------
yumen service uninstall --name edge; check "uninstall stops it" expect 0 "removed yumen-edge"
check "uninstall: the address is closed" is_down "$B"
yumen service uninstall; check "uninstall" expect 0 "removed yumen"
yumen service status; check "status: not installed again" expect 4 "not installed"
check "state and logs stay" [ -s "$LOG" ]
say "smoke: $PASSED ok, $FAILED failed"
[ "$FAILED" = 0 ]
