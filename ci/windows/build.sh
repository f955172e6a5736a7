#!/usr/bin/env bash
# build.sh [check|msvc|debug|release|dist]   cross build of the whole workspace for Windows
#   check   clippy, warnings are errors      debug   programs and tests, not run      release/dist   the shipped program
#   msvc    type check for the toolchain most Windows developers have; C sources are skipped with stand-in tools
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
win_build_env
cd "$ROOT"
T0=$SECONDS
case "${1:-debug}" in
check) "$CARGO" clippy --workspace --all-targets --keep-going --target $TRIPLE ${WIN_FEATURES:-} -- -D warnings ;;
msvc)
    mkdir -p "$WIN/msvc-stub"
    # "compile" to an empty object, "archive" to an empty library: enough where nothing is linked
    printf '%s\n' '#!/bin/bash' 'p=""; for a in "$@"; do case "$a" in -Fo*|/Fo*) o=${a#?Fo} ;; -E|/E|-EP|/EP) exit 0 ;; esac; [ "$p" != -o ] || o=$a; p=$a; done' \
        '[ -z "${o:-}" ] || { mkdir -p "$(dirname "$o")"; : >"$o"; }' >"$WIN/msvc-stub/cl"
    printf '%s\n' '#!/bin/bash' 'for a in "$@"; do case "$a" in [-/][oO][uU][tT]:*) o=${a#*:} ;; esac; done' '[ -z "${o:-}" ] || printf "!<arch>\n" >"$o"' >"$WIN/msvc-stub/lib"
    chmod +x "$WIN/msvc-stub/cl" "$WIN/msvc-stub/lib"
    CC_x86_64_pc_windows_msvc=$WIN/msvc-stub/cl CXX_x86_64_pc_windows_msvc=$WIN/msvc-stub/cl AR_x86_64_pc_windows_msvc=$WIN/msvc-stub/lib \
        "$CARGO" check --workspace --all-targets --target x86_64-pc-windows-msvc ${WIN_FEATURES:-} ;;
debug) "$CARGO" build --workspace --target $TRIPLE ${WIN_FEATURES:-}; "$CARGO" test --workspace --no-run --target $TRIPLE ${WIN_FEATURES:-} ;;
*) p=$1; "$CARGO" build --workspace --profile "$p" --target $TRIPLE ${WIN_FEATURES:-} ;;
esac
# a shipped program may load only DLLs that every Windows has
if [ "${1:-debug}" != check ] && [ "${1:-debug}" != msvc ]; then
    dir=${1:-debug}
    for exe in "${CARGO_TARGET_DIR:-$ROOT/target}/$TRIPLE/$dir"/*.exe; do
        [ -e "$exe" ] || continue
        bad=$(x86_64-w64-mingw32-objdump -p "$exe" | sed -n 's/.*DLL Name: //p' | grep -iE '^(libgcc|libstdc|libwinpthread|libssp|zlib|libcrypto|libssl)' || true)
        [ -z "$bad" ] || { say "$exe needs $bad"; exit 1; }
        say "$(basename "$exe") $(du -h "$exe" | cut -f1)"
    done
fi
say "build ${1:-debug} done in $((SECONDS - T0)) s"
