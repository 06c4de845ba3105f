# shellcheck shell=bash disable=SC2034
# Wine, and a C compiler for Windows: installed, or unpacked under target/ from the packages of Debian or Ubuntu, which
# installs nothing and needs no root.
# To be sourced after lib.sh and packages.sh, from the top of the repository.

# Sets `wine`, `windows_cc` and, where that is not on the path, `windows_cc_folder`. Fails with a sentence as the last line.
find_wine() {
    zlib="" windows_cc_folder=""
    if windows_cc="$(command -v x86_64-w64-mingw32-gcc)" && { wine="$(command -v wine64)" || wine="$(command -v wine)"; }; then
        return
    fi
    [[ "$(uname -sm)" == "Linux x86_64" ]] || {
        say "neither Wine nor x86_64-w64-mingw32-gcc is installed"
        return 1
    }
    local folder="$PWD/target/wine" root libraries name
    root="$folder/root"
    [[ -f "$folder/done" ]] ||
        unpack "$folder" "" wine64 libz-mingw-w64 gcc-mingw-w64-x86-64-win32 || return 1
    # Debian's script looks for the server in /usr, and its user32.dll for a library that is not Wine's.
    ln -sf wineserver64 "$root/usr/lib/wine/wineserver"
    libraries="$root/usr/lib/x86_64-linux-gnu"
    zlib="$root/usr/x86_64-w64-mingw32/lib/zlib1.dll"
    cp "$zlib" "$libraries/wine/x86_64-windows"
    mkdir -p "$folder/bin"
    # Not exported: programs of this system have libraries of their own.
    for name in wine64 x86_64-w64-mingw32-gcc x86_64-w64-mingw32-dlltool; do
        local program="$root/usr/bin/$name"
        case "$name" in
        wine64) program="$root/usr/lib/wine/wine64" ;;
        *-gcc) program="$program-win32" ;;
        esac
        cat >"$folder/bin/$name" <<SH
#!/bin/sh
PATH="$root/usr/bin:\$PATH" LD_LIBRARY_PATH="$libraries" exec "$program" "\$@"
SH
        chmod +x "$folder/bin/$name"
    done
    wine="$folder/bin/wine64" windows_cc="$folder/bin/x86_64-w64-mingw32-gcc"
    # Rust finds its linker and dlltool by their names.
    windows_cc_folder="$folder/bin"
    "$wine" --version >/dev/null 2>&1 || {
        say "Debian's Wine does not run here; remove target/wine to fetch it again"
        return 1
    }
}

# A prefix of our own, without the parts that a program on the command line does not need. Fails with a sentence.
ready_wine() {
    export WINEPREFIX="$PWD/target/wine/prefix" WINEDEBUG="${WINEDEBUG:--all}"
    export WINEDLLOVERRIDES="mscoree=;mshtml=;winemenubuilder.exe=;d3dcompiler_47=n"
    [[ ! -f "$WINEPREFIX/ready" ]] || return 0
    rm -rf "$WINEPREFIX"
    mkdir -p "$WINEPREFIX"
    say "making a prefix for Wine"
    # It misses its part for 32 bits, says so and exits with it.
    timeout 300 "$wine" wineboot --init >"$PWD/target/wine/boot.log" 2>&1 || true
    if [[ ! -f "$WINEPREFIX/drive_c/windows/system32/kernel32.dll" ]]; then
        cat "$PWD/target/wine/boot.log" >&2
        say "Wine could not make its prefix"
        return 1
    fi
    [[ -z "$zlib" ]] || cp "$zlib" "$WINEPREFIX/drive_c/windows/system32"
    touch "$WINEPREFIX/ready"
}
