#!/usr/bin/env bash
# test.sh [arguments for the test runner]   unit and integration tests of the workspace, run under Wine.
# `cargo xtask windows test` calls it: it knows which tests Wine cannot run, and runs the peers that tests start.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
T0=$SECONDS
# Stand-ins for programs of Linux that tests start (peers.txt), see peer.rs. Each has the name of the program.
if [ "$HERE/peer.rs" -nt "$WIN/peers/peer.exe" ]; then
    ( win_build_env; mkdir -p "$WIN/peers"
      # shellcheck disable=SC2086
      "${RUSTC:-rustc}" --edition 2024 --target $TRIPLE $CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS -Clinker=x86_64-w64-mingw32-gcc -O -o "$WIN/peers/peer.exe" "$HERE/peer.rs" )
fi
for name in $(tr '\n' ' ' <"$HERE/peers.txt"); do ln -f "$WIN/peers/peer.exe" "$WIN/peers/$name.exe"; done
# A clean copy: a service or a file of an earlier run is never seen.
rm -rf "$WIN/prefix"; cp -a --reflink=auto "$WIN/prefix.tmpl" "$WIN/prefix"
( win_wine_env; wine_start )
trap '( win_wine_env; wine_stop )' EXIT
win_build_env
cd "$ROOT"
if cargo nextest --version >/dev/null 2>&1 && [ -z "${WIN_CARGO:-}" ]; then
    "$CARGO" nextest list --workspace --target $TRIPLE ${WIN_FEATURES:-} --message-format json >"$WIN/tests.json" 2>"$WIN/list.log" </dev/null || { cat "$WIN/list.log" >&2; exit 1; }
    "$CARGO" nextest run --workspace --target $TRIPLE ${WIN_FEATURES:-} --config-file "$HERE/nextest.toml" --test-threads "${WIN_TEST_THREADS:-2}" "$@" </dev/null
else
    rm -f "$WIN/tests.json"
    "$CARGO" test --workspace --lib --bins --tests --no-fail-fast --target $TRIPLE ${WIN_FEATURES:-} -- --test-threads "${WIN_TEST_THREADS:-2}" "$@" </dev/null
fi
say "tests done in $((SECONDS - T0)) s"
