#!/usr/bin/env bash
# Cross toolchain for Windows under $WIN: mingw-w64 gcc from Debian, and the Rust standard library built once from
# the source that belongs to the compiler in use. Re-running it when nothing changed takes a second.
#   WIN_STD=auto|debian   auto: the project's compiler; debian: force Debian's own compiler and source
#   WIN_MSVC=1|0          also a library for x86_64-pc-windows-msvc, good for `build.sh msvc` (type check only)
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$ROOT"
T0=$SECONDS

# 1. mingw-w64 (win32 threads: the program then needs no libwinpthread-1.dll)
if [ ! -x "$WIN/bin/x86_64-w64-mingw32-gcc" ]; then
    rm -rf "$WIN/mingw" "$WIN/bin"; mkdir -p "$WIN/bin"
    if command -v x86_64-w64-mingw32-gcc-win32 >/dev/null && [ "${WIN_OWN_MINGW:-0}" = 0 ]; then
        say "mingw-w64: the machine's own"
        src=$(dirname "$(command -v x86_64-w64-mingw32-gcc-win32)")
    else
        say "mingw-w64: fetching"
        apt_refresh
        debs_into "$WIN/mingw" gcc-mingw-w64-base gcc-mingw-w64-x86-64-win32 gcc-mingw-w64-x86-64-win32-runtime \
            g++-mingw-w64-x86-64-win32 mingw-w64-common mingw-w64-x86-64-dev binutils-mingw-w64-x86-64
        rm -rf "$WIN"/mingw/usr/share/{doc,man,locale} "$WIN"/mingw/usr/bin/*lto-dump* "$WIN"/mingw/usr/lib/gcc/*/*/lto1
        src=$WIN/mingw/usr/bin
    fi
    for t in g++ c++ cpp gcc-ar gcc-nm gcc-ranlib ar as dlltool ld nm objcopy objdump ranlib strip windmc windres gcc; do
        if [ -e "$src/x86_64-w64-mingw32-$t-win32" ]; then ln -sf "$src/x86_64-w64-mingw32-$t-win32" "$WIN/bin/x86_64-w64-mingw32-$t"
        elif [ -e "$src/x86_64-w64-mingw32-$t" ]; then ln -sf "$src/x86_64-w64-mingw32-$t" "$WIN/bin/"; fi
    done
fi
export PATH="$WIN/bin:$PATH"

# 2. which Rust
: >"$WIN/build.env.new"
emit() { printf '%s=%q\n' "$@" >>"$WIN/build.env.new"; }
RC=${RUSTC:-rustc} CG=cargo lib=""
about() { sys=$("$RC" --print sysroot); ver=$("$RC" -vV | sed -n 's/^release: //p'); hash=$("$RC" -vV | sed -n 's/^commit-hash: //p'); sysroot=$WIN/sysroot-$ver-${hash:0:9}; }
about
MSVC=x86_64-pc-windows-msvc
missing() { # triples whose library is neither in the compiler's own tree nor built yet
    local t
    for t in $TRIPLE $([ "${WIN_MSVC:-1}" = 1 ] && echo $MSVC); do
        if [ "${WIN_STD:-auto}" = auto ] && [ -d "$sys/lib/rustlib/$t/lib" ]; then continue; fi
        [ -e "$sysroot/.done-$t" ] || echo "$t"
    done
}
debian_rust() {
    local D=$WIN/debian-rust std llvm more
    apt_refresh
    if [ ! -x "$D/usr/bin/cargo" ]; then
        std=$(apt_private apt-cache depends libstd-rust-web-dev | awk '/Depends: libstd-rust-web-/{print $2; exit}')
        llvm=$(apt_private apt-cache depends "$std" | awk '/Depends: libllvm/{print $2; exit}')
        debs_into "$D" rustc-web cargo-web rust-web-src rust-web-clippy libstd-rust-web-dev "$std" "$llvm"
        more=$(apt_private apt-get -s install --no-install-recommends cargo-web 2>/dev/null | awk '/^Inst/{print $2}' | grep -vE '^(rustc-web|cargo-web|rust-web|libstd-rust|libllvm)' || true)
        # shellcheck disable=SC2086
        [ -z "$more" ] || debs_into "$D" $more
        rm -rf "$D"/usr/src/rustc-*/{src,compiler,tests} "$D"/usr/share/doc
    fi
    RC=$D/usr/bin/rustc CG=$D/usr/bin/cargo
    export LD_LIBRARY_PATH="$D/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    about
    lib=$(echo "$D"/usr/src/rustc-*/library)
    emit WIN_RUSTC "$RC" WIN_CARGO "$CG" WIN_RUST_LIB "$D/usr/lib/x86_64-linux-gnu"
}
find_source() { # sets lib, or leaves it empty
    local v want
    if [ -f "$sys/lib/rustlib/src/rust/library/Cargo.lock" ]; then lib=$sys/lib/rustlib/src/rust/library; return; fi
    # Debian's rust-src of exactly this version: this machine's suites first, then newer ones, each in lists of its own
    for want in base trixie-backports forky sid; do
        APT_SET=$want apt_refresh || continue
        v=$( (APT_SET=$want apt_private apt-cache madison rust-src; APT_SET=$want apt_private apt-cache madison rust-web-src) 2>/dev/null | awk -v v="$ver" '{split($3,a,"[+-]"); if (a[1]==v && !r) r=$1"="$3} END {print r}')
        [ -n "$v" ] || continue
        say "standard library source: $v ($want)"
        rm -rf "$WIN/rust-src"; mkdir -p "$WIN/rust-src"
        APT_SET=$want debs_into "$WIN/rust-src.all" "$v"
        mv "$WIN"/rust-src.all/usr/src/rustc-"$ver"/library "$WIN/rust-src/library"; rm -rf "$WIN/rust-src.all"
        lib=$WIN/rust-src/library
        return
    done
}
if [ "${WIN_STD:-auto}" = debian ]; then debian_rust
elif [ -n "$(missing)" ]; then
    find_source
    if [ -z "$lib" ]; then say "no source for Rust $ver here: taking Debian's rustc-web, cargo-web and rust-web-src"; debian_rust; fi
fi

# 3. core, alloc, std, proc_macro, test, both panic strategies; with bitcode so that LTO works
build_std() { # build_std TRIPLE OPT-LEVEL
    local t=$1 b=$WIN/std-build
    say "building the standard library $ver for $t"
    rm -rf "$b" "$sysroot/lib/rustlib/$t"; mkdir -p "$b/seed/src" "$b/home" "$sysroot/lib/rustlib/$t/lib"
    printf '[package]\nname = "seed"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[profile.release]\ndebug = 0\nopt-level = %s\n' "$2" >"$b/seed/Cargo.toml"
    echo '#![no_std]' >"$b/seed/src/lib.rs"
    # as rustc's own bootstrap does: panic_abort alone is compiled with the abort strategy
    printf '#!/bin/sh\nr=$1; shift\ncase " $* " in *" --crate-name panic_abort "*) exec "$r" "$@" -Cpanic=abort ;; esac\nexec "$r" "$@"\n' >"$b/wrap"; chmod +x "$b/wrap"
    ( if [ "$CG" = cargo ]; then
          RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-$(rustup show active-toolchain 2>/dev/null | awk '{print $1}' || true)}
          [ -z "$RUSTUP_TOOLCHAIN" ] || export RUSTUP_TOOLCHAIN
      else export RUSTC="$RC"; fi
      cd "$b/seed"; unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
      if [ -d "$lib/vendor" ]; then # the library's own dependencies come with its source: no network
          printf '[source.crates-io]\nreplace-with = "v"\n[source.v]\ndirectory = "%s"\n' "$lib/vendor" >"$b/home/config.toml"; export CARGO_HOME="$b/home"
      fi
      u=$(echo "$t" | tr 'a-z-' 'A-Z_')
      export RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER="$b/wrap" __CARGO_TESTS_ONLY_SRC_ROOT="$lib" CARGO_TARGET_DIR="$b/target"
      export "CARGO_TARGET_${u}_RUSTFLAGS=-Cembed-bitcode=yes --remap-path-prefix=$lib=/rustc/$hash/library --remap-path-prefix=$b=/std-build"
      "$CG" build -q --release -Z build-std=std,panic_abort,panic_unwind,test --target "$t" )
    cp "$b"/target/"$t"/release/deps/lib*.rlib "$sysroot/lib/rustlib/$t/lib/"; rm -f "$sysroot"/lib/rustlib/"$t"/lib/libseed-*
    rm -rf "$b"; touch "$sysroot/.done-$t"
}
for t in $(missing); do build_std "$t" "$([ "$t" = "$TRIPLE" ] && echo 3 || echo 0)"; done
[ -n "${WIN_KEEP_SRC:-}" ] || rm -rf "$WIN/rust-src"
[ ! -e "$sysroot/.done-$TRIPLE" ] || emit WIN_SYSROOT "$sysroot"
[ ! -e "$sysroot/.done-$MSVC" ] || emit WIN_MSVC_SYSROOT "$sysroot"
gccld=$sys/lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld
[ ! -x "$gccld/ld.lld" ] || emit WIN_GCCLD "$gccld"
mv "$WIN/build.env.new" "$WIN/build.env"

# 4. proof: compile, link, and say which DLLs a program needs
win_build_env
cat >"$WIN/proof.rs" <<'R'
fn main() { let r = std::thread::spawn(|| std::panic::catch_unwind(|| panic!("expected")).is_err()).join(); println!("{} {:?}", std::env::consts::OS, r); }
R
# shellcheck disable=SC2086
"${RUSTC:-rustc}" --edition 2024 --target $TRIPLE $CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS -Clinker=x86_64-w64-mingw32-gcc -O -o "$WIN/proof.exe" "$WIN/proof.rs"
say "linked; DLLs: $(x86_64-w64-mingw32-objdump -p "$WIN/proof.exe" | sed -n 's/.*DLL Name: //p' | tr '\n' ' ')"
say "toolchain ready in $((SECONDS - T0)) s"
