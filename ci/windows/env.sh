#!/usr/bin/env bash
# Sourced by the other scripts. Nothing here names a path outside the project:
# everything the scripts fetch or make lies under $WIN (default: target/windows).
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${PROJECT_ROOT:-$(git -C "$HERE" rev-parse --show-toplevel 2>/dev/null || (cd "$HERE/../.." && pwd))}
WIN=${WIN_DIR:-$ROOT/target/windows}
TRIPLE=x86_64-pc-windows-gnu
mkdir -p "$WIN"
trap 'echo "[windows] failed: ${BASH_SOURCE[0]} line $LINENO (exit $?)" >&2' ERR
say() { printf '[windows %(%H:%M:%S)T] %s\n' -1 "$*" >&2; }

# --- Debian packages, fetched with the ordinary client, unpacked, never installed -------------------------
# Private list directories, so no root and no dpkg lock is needed; the machine's own mirror and keys are used.
# APT_SET names the set of suites: "base" = the machine's own sources; any other name = that one suite alone.
apt_private() {
    local set=${APT_SET:-base} d c uri
    d=$WIN/apt/$set; c=$d/apt.conf
    if [ ! -s "$c" ]; then
        mkdir -p "$d"/state/lists/partial "$d"/cache/archives/partial "$d"/parts
        if [ "$set" = base ]; then
            cp -a /etc/apt/sources.list "$d/parts/00-main.list" 2>/dev/null || true
            cp -a /etc/apt/sources.list.d/. "$d/parts/" 2>/dev/null || true
        else
            uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
                awk '/^URIs:/ {for (i=2;i<=NF;i++) print $i} /^deb / {for (i=2;i<=NF;i++) if ($i ~ /:\/\//) print $i}' | grep -E '/debian/?$' | head -1)
            echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $set main" >"$d/parts/suite.list"
        fi
        cat >"$c" <<C
Dir::State "$d/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$d/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$d/parts";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
APT::Sandbox::User "root";
APT::Install-Recommends "0";
C
    fi
    APT_CONFIG=$c "$@"
}
apt_refresh() {
    local f=$WIN/apt/${APT_SET:-base}/fresh
    [ -z "$(find "$f" -mmin -360 2>/dev/null)" ] || return 0
    apt_private apt-get -qq update >/dev/null 2>&1 || apt_private apt-get -qq update
    touch "$f"
}
# debs_into DIR PKG[=VERSION]...   download and unpack
debs_into() {
    local into=$1 tmp d; shift
    tmp=$(mktemp -d "$WIN/debs.XXXXXX"); mkdir -p "$into"
    (cd "$tmp" && apt_private apt-get -qq download "$@")
    for d in "$tmp"/*.deb; do dpkg-deb -x "$d" "$into"; done
    rm -rf "$tmp"
}

# --- cross build environment (after toolchain.sh) ----------------------------------------------------------
win_build_env() {
    # shellcheck disable=SC1091
    . "$WIN/build.env"
    export PATH="$WIN/bin:$PATH"
    local flags=""
    if [ -n "${WIN_SYSROOT:-}" ]; then flags="--sysroot=$WIN_SYSROOT"; fi
    local docflags=$flags
    if [ "${WIN_LLD:-1}" = 1 ] && [ -n "${WIN_GCCLD:-}" ]; then flags="$flags -Clink-arg=-fuse-ld=lld -Clink-arg=-B$WIN_GCCLD"; fi
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS # either would silence the per-target flags below
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS="$flags ${WIN_EXTRA_RUSTFLAGS:-}"
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTDOCFLAGS="$docflags"
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="$HERE/wine-run.sh"
    export CC_x86_64_pc_windows_gnu=x86_64-w64-mingw32-gcc CXX_x86_64_pc_windows_gnu=x86_64-w64-mingw32-g++ AR_x86_64_pc_windows_gnu=x86_64-w64-mingw32-ar
    if [ -n "${WIN_MSVC_SYSROOT:-}" ]; then export CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_RUSTFLAGS="--sysroot=$WIN_MSVC_SYSROOT"; fi
    export CARGO_PROFILE_DEV_DEBUG=${CARGO_PROFILE_DEV_DEBUG:-line-tables-only} CARGO_PROFILE_TEST_DEBUG=${CARGO_PROFILE_TEST_DEBUG:-line-tables-only}
    if [ -n "${WIN_RUSTC:-}" ]; then export RUSTC="$WIN_RUSTC" PATH="$(dirname "$WIN_RUSTC"):$PATH" LD_LIBRARY_PATH="$WIN_RUST_LIB${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"; fi
    CARGO=${WIN_CARGO:-cargo}
}

# --- Wine environment (after wine.sh) ----------------------------------------------------------------------
win_wine_env() {
    WINEROOT=$WIN/wine/usr
    export WINEPREFIX=${WINEPREFIX:-$WIN/prefix} WINEARCH=win64 WINEDEBUG=${WINEDEBUG:--all}
    export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe='
    export LD_LIBRARY_PATH="$WINEROOT/lib/x86_64-linux-gnu" PATH="$WINEROOT/lib/wine:$PATH"
    # a Windows program inherits the Linux environment: these would redirect its certificate store or open a display
    unset DISPLAY SSL_CERT_FILE SSL_CERT_DIR XDG_RUNTIME_DIR
    # programs of this machine that tests start, see peer.rs
    local peers=$WIN/peers
    export WINEPATH="Z:${peers//\//\\}"
    WINE=$WINEROOT/lib/wine/wine64 WINESERVER=$WINEROOT/lib/wine/wineserver64
}
# The server and the service manager are started once, with no pipe of ours open: whatever starts them first
# hands them its stdout, and a test runner would then wait for ever for that pipe to close.
wine_start() { "$WINESERVER" -p >/dev/null 2>&1 </dev/null || true; timeout 120 "$WINE" wineboot >/dev/null 2>&1 </dev/null || true; }
wine_stop() { "$WINESERVER" -k >/dev/null 2>&1 </dev/null || true; }
# w OUTFILE PROG ARGS...: run one Windows program with a time limit, output to a file
w() { local out=$1; shift; timeout "${WIN_T:-60}" "$WINE" "$@" >"$out" 2>&1 </dev/null; }
