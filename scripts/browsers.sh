# shellcheck shell=bash
# Finds the browsers that pages are checked in. To be sourced after lib.sh and packages.sh.

# What cannot be done here, and why: 77 is what scripts/test takes for SKIPPED.
cannot() {
    echo "$*"
    exit 77
}

# Leaves with CHROMIUM as its path.
find_chromium() {
    local name
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        [[ -n "$name" ]] && CHROMIUM="$(command -v "$name")" && export CHROMIUM && return
    done
    cannot "Chromium is not installed (Debian: apt-get install chromium; or set CHROMIUM to its path)"
}

# Leaves with FIREFOX as its path: installed, or unpacked under target/ with FIREFOX_LIBRARIES, the libraries that it needs.
find_firefox() {
    FIREFOX="${FIREFOX:-$(command -v firefox-esr || command -v firefox || true)}"
    local unpacked="$PWD/target/firefox" root="$PWD/target/firefox/root" libraries
    libraries="$root/usr/lib"
    if [[ -z "$FIREFOX" ]]; then
        [[ -f "$unpacked/done" ]] || unpack "$unpacked" "" firefox-esr || cannot "Firefox is not installed, and could not be fetched"
        FIREFOX="$libraries/firefox-esr/firefox-esr"
        FIREFOX_LIBRARIES="$libraries/firefox-esr:$(dirname "$(compgen -G "$libraries/*-linux-gnu/libvpx.so*" | head -n 1)")"
        export FIREFOX_LIBRARIES
    fi
    export FIREFOX
    LD_LIBRARY_PATH="${FIREFOX_LIBRARIES:-}" "$FIREFOX" --version >&2 || cannot "Firefox does not run here"
    has_vulkan || cannot "there is no Vulkan driver for Firefox"
}

# What drives $1, chromium or firefox, in folder $2: node, puppeteer and browser.mjs.
prepare_browser() {
    local name="$1" folder="$2" tool
    for tool in node npm; do
        command -v "$tool" >/dev/null || cannot "$tool is not installed"
    done
    if [[ "$name" == firefox ]]; then find_firefox; else find_chromium; fi
    fetch_npm puppeteer-core "$folder" scripts/lesson/package.json || exit 77
}
