# shellcheck shell=bash
# Packages of Debian or Ubuntu unpacked under target/: nothing is installed, and no root is needed. To be sourced after lib.sh.

# Packages with all that they need, as if nothing were installed, from the mirror that this system uses; of another RELEASE
# if that is not empty: unpack FOLDER RELEASE PACKAGE... What comes is in FOLDER/root. Fails with a sentence as the last line,
# and leaves nothing then.
unpack() {
    local folder="$1" release="$2" tool package mirror origin keys
    shift 2
    for tool in apt-get dpkg-deb; do
        command -v "$tool" >/dev/null || {
            say "$tool is not here"
            return 1
        }
    done
    rm -rf "$folder"
    mkdir -p "$folder"/{lists,cache,packages/partial,root}
    : >"$folder/status"
    local apt=(apt-get -qq -o "Dir::State::status=$folder/status" -o "Dir::Cache=$folder/cache"
        -o "Dir::Cache::archives=$folder/packages" -o APT::Sandbox::User= -o Debug::NoLocking=1)
    say "fetching $* ${release:+of $release}"
    if [[ -n "$release" ]]; then
        # shellcheck disable=SC2016
        read -r mirror origin < <(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
            grep -E ' (Debian|Ubuntu)$' | grep -v security | head -n 1) || true
        keys="/usr/share/keyrings/${origin,,}-archive-keyring.gpg"
        if [[ -z "${origin:-}" || ! -f "$keys" ]]; then
            rm -rf "$folder"
            say "apt knows no mirror of Debian or Ubuntu with its keys (apt-get update?)"
            return 1
        fi
        echo "deb [signed-by=$keys] $mirror $release main" >"$folder/sources"
        apt+=(-o "Dir::State::lists=$folder/lists" -o "Dir::Etc::sourcelist=$folder/sources"
            -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::trusted=/dev/null)
        "${apt[@]}" update >&2 || {
            rm -rf "$folder"
            say "$release could not be read from apt's mirror"
            return 1
        }
    fi
    "${apt[@]}" install -y --no-install-recommends --download-only "$@" >&2 || {
        rm -rf "$folder"
        say "$* could not be fetched (apt-get update?)"
        return 1
    }
    for package in "$folder"/packages/*.deb; do
        dpkg-deb --fsys-tarfile "$package" |
            tar -xf - -C "$folder/root" --keep-directory-symlink --exclude './usr/share/doc*' --exclude './dev/*' || return 1
    done
    rm -rf "$folder"/{lists,cache,packages}
    touch "$folder/done"
}
