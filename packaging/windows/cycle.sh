#!/usr/bin/env bash
# cycle.sh OLD.msi NEW.msi   under Wine: install, edit the configuration, upgrade, uninstall; the edited configuration stays and
# the service serves by it. Started by `cargo xtask dist --check`, once Wine stands in target/windows.
OLD=$(realpath "$1") NEW=$(realpath "$2")
# shellcheck disable=SC1091
. "$(dirname "${BASH_SOURCE[0]}")/../../ci/windows/env.sh"
WORK=$(mktemp -d)
export WINEPREFIX=$WORK/prefix
cp -a "$WIN/prefix.tmpl" "$WINEPREFIX"
win_wine_env
trap 'wine_stop; rm -rf "$WORK"' EXIT
wine_start
C=$WINEPREFIX/drive_c O=$WORK/out
PROGRAM="$C/Program Files/Yumen/yumen.exe" CONFIG=$C/ProgramData/Yumen/yumen.yaml
cp "$OLD" "$C/old.msi"
cp "$NEW" "$C/new.msi"

need() { # need WHAT COMMAND...
    local what=$1
    shift
    if ! "$@"; then
        echo "MSI: not so: $what" >&2
        tail -5 "$O" >&2
        exit 1
    fi
}
msi() { WIN_T=180 w "$O" msiexec.exe "$@" /qn; }
registered() { w "$O" sc.exe query yumen; }
start_words() { w "$O" reg.exe query 'HKLM\SYSTEM\CurrentControlSet\Services\yumen' /v ImagePath && grep -aqF 'service run --name yumen --config' "$O"; }
event_source() { w "$O" reg.exe query 'HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\yumen' /v EventMessageFile; }
runs() { w "$O" 'C:\Program Files\Yumen\yumen.exe' check -c 'C:\ProgramData\Yumen\yumen.yaml'; }
# The one that is installed has a port that may be in use here.
PORT=$((26000 + $$ % 500 * 2))
edit() {
    {
        printf '%s\n' "listeners: { web: { bind: \"127.0.0.1:$PORT\" } }" "routes: { all: { middlewares: [{ respond: { body: \"from the MSI\" } }] } }" \
            "admin: { listen: \"127.0.0.1:$((PORT + 1))\" }" '# edited'
    } >"$CONFIG.new"
    mv "$CONFIG.new" "$CONFIG"
}
starts() { w "$O" 'C:\Program Files\Yumen\yumen.exe' service start; }
serves() { [ "$(env -u LD_LIBRARY_PATH curl -s --max-time 2 "http://127.0.0.1:$PORT/")" = "from the MSI" ]; }
is_down() { ! env -u LD_LIBRARY_PATH curl -s --max-time 1 -o /dev/null "http://127.0.0.1:$PORT/"; }
until_() { local i; for i in $(seq 100); do "$@" && return 0; sleep 0.2; done; return 1; }
edited() { tail -1 "$CONFIG" | grep -qx '# edited'; }
replaced() { [ "$(tail -c 3 "$PROGRAM" | tr -d "\0")" != old ]; }
gone() { [ ! -e "$1" ]; }

need "the MSI installs" msi /i 'C:\old.msi'
need "the installed program takes the installed configuration" runs
need "the service is registered" registered
need "the service is started with the configuration" start_words
need "the source of events is registered" event_source
# Both files are changed: one as an operator does, the other to see that it is not the old one afterwards.
w "$O" 'C:\Program Files\Yumen\yumen.exe' service stop || true
edit
need "the program takes the edited configuration" runs
need "the service that was installed starts" starts
need "the service serves" until_ serves
need "the service stops" w "$O" 'C:\Program Files\Yumen\yumen.exe' service stop
printf old >>"$PROGRAM"
need "the service starts before the upgrade" starts
need "a newer MSI installs over it" msi /i 'C:\new.msi'
need "the upgrade kept the edited configuration" edited
need "the upgrade replaced the program" replaced
need "the new program takes the edited configuration" runs
need "the service is registered after the upgrade" registered
need "the upgrade started the service" until_ serves
need "an older MSI is refused" eval '! msi /i "C:\\old.msi"'
need "the new version is still there after that" runs
need "the MSI uninstalls" msi /x 'C:\new.msi'
need "the program is gone" gone "$PROGRAM"
need "the removal kept the edited configuration" edited
need "the service is gone" eval '! registered'
need "nothing listens any more" until_ is_down
echo "MSI: installed, upgraded and uninstalled; its service served before and after; the edited configuration stayed"
