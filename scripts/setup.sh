#!/usr/bin/env bash
# Installs what is missing: `setup.sh build` for building, `setup.sh test` for testing as well,
# `setup.sh bench` the trackers of the benchmark, `setup.sh bench-api` and `setup.sh bench-share` the
# other clients of those, `setup.sh fuzz` the fuzzer, `setup.sh libtorrent` what builds libtorrent itself.
# On Debian and Ubuntu through apt, as root or with sudo; elsewhere it names the packages.
set -euo pipefail
cd "$(dirname "$0")/.."

BUILD_PACKAGES=(g++ make pkg-config libtorrent-rasterbar-dev libssl-dev)
TEST_PACKAGES=(aria2 curl qbittorrent-nox iproute2 nftables e2fsprogs util-linux mount)
LIBTORRENT_PACKAGES=(dpkg-dev cmake ninja-build libboost-dev)

missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
    done
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -eq 0 ] && return
    echo "installing: ${missing[*]}" >&2
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "please install as root: apt-get install ${missing[*]}" >&2
            exit 1
        }
        as_root=(sudo)
    fi
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends)
    # An old package list names versions that are gone, so it is renewed before it is used.
    "${as_root[@]}" apt-get update -q >/dev/null
    "${as_root[@]}" "${install[@]}" "${missing[@]}" >/dev/null
}

need_elsewhere() {
    if [ "$1" = build ]; then
        pkg-config --atleast-version=2.0.8 libtorrent-rasterbar 2>/dev/null && return
        echo "please install: a C++17 compiler, make, pkg-config, OpenSSL and libtorrent-rasterbar" \
            ">= 2.0.8 with their headers (Fedora: rb_libtorrent-devel openssl-devel;" \
            "Arch: libtorrent-rasterbar; Alpine: libtorrent-rasterbar-dev)" >&2
        exit 1
    fi
    [ "$1" = test ] || return 0
    local tool
    for tool in aria2c curl qbittorrent-nox mkfs.ext4 ip nft; do
        command -v "$tool" >/dev/null || { echo "please install: $tool" >&2; exit 1; }
    done
}

# The Python side of the tests: libtorrent's own wheel and schemathesis, in a folder that git ignores.
make_venv() {
    local schemathesis=4.32.5
    if [ -x .venv/bin/python ] && .venv/bin/python -c 'import libtorrent' 2>/dev/null; then
        .venv/bin/python -c "from importlib.metadata import version as v
assert v('schemathesis') == '$schemathesis'" 2>/dev/null ||
            .venv/bin/python -m pip install -q --disable-pip-version-check \
                "schemathesis==$schemathesis"
        return
    fi
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null && command -v apt-get >/dev/null; then
        install_packages python3-venv
    fi
    python3 -m venv --clear .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check libtorrent requests \
        "schemathesis==$schemathesis"
}

# The node side of the tests: one client of trackers, in a folder that git ignores. Its native parts
# are optional, so nothing of it is run while it is installed.
make_node() {
    local version=10.0.12 package=.node/node_modules/bittorrent-tracker/package.json
    grep -qs "\"version\": \"$version\"" "$package" && return
    if ! command -v npm >/dev/null; then
        command -v apt-get >/dev/null || { echo "please install: node and npm" >&2; exit 1; }
        install_packages nodejs npm
    fi
    mkdir -p .node
    npm install --prefix .node --ignore-scripts --omit=optional --no-audit --no-fund \
        --loglevel=error "bittorrent-tracker@$version" >/dev/null
}

# Torrust's own clients of trackers, in the user's cache. They only have to run, so they are built
# fast instead of fast to run.
torrust_clients() {
    local peers=${XDG_CACHE_HOME:-$HOME/.cache}/cove/peers name bins=() built=1
    for name in http_tracker_client udp_tracker_client tracker_checker; do
        bins+=(--bin "$name")
        [ -x "$peers/bin/$name" ] || built=
    done
    [ -n "$built" ] && return
    echo "building torrust-tracker's clients; this takes a while" >&2
    mkdir -p "$peers"
    CARGO_PROFILE_DEV_LTO=off CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=false \
        cargo install --quiet --debug --locked --version 3.0.0 --root "$peers" \
        --target-dir "$peers/target-torrust" torrust-tracker "${bins[@]}"
    rm -rf "$peers/target-torrust"
}

# The trackers of `make bench-tracker`, in the user's cache. One that cannot be had is left out.
peer_trackers() {
    local peers=${XDG_CACHE_HOME:-$HOME/.cache}/cove/peers
    mkdir -p "$peers"
    # These versions build on today's Rust only without their default features.
    peer_crate "$peers" aquatic_udp 0.9.0 --no-default-features --features mimalloc
    peer_crate "$peers" aquatic_http 0.9.0 --no-default-features --features mimalloc
    peer_crate "$peers" aquatic_udp_load_test 0.9.0
    rm -rf "$peers/target"
    [ -x "$peers/opentracker/usr/bin/opentracker" ] ||
        unpack "$peers" opentracker opentracker libowfat0 ||
        echo "opentracker cannot be had here" >&2
}

peer_crate() {
    local peers=$1 name=$2 version=$3
    shift 3
    [ -x "$peers/bin/$name" ] && return
    cargo install --quiet --root "$peers" --target-dir "$peers/target" --locked \
        --version "$version" "$name" "$@" || echo "$name cannot be had here" >&2
}

# Programs of the distribution, unpacked into the user's cache and not installed, since these packages
# start services that are open to the network.
unpack() {
    local peers=$1 name=$2 work package
    shift 2
    command -v apt-get >/dev/null || return 1
    work=$(mktemp -d)
    local done=0
    (cd "$work" && chmod 755 . && apt-get download -q "$@" >/dev/null 2>&1) || done=1
    for package in "$work"/*.deb; do
        [ $done -ne 0 ] || dpkg-deb -x "$package" "$work/root" || done=1
    done
    if [ $done -eq 0 ]; then
        rm -rf "${peers:?}/$name" && mv "$work/root" "$peers/$name" || done=1
    fi
    rm -rf "$work"
    return $done
}

# Another client of the tests and of `make bench-api`.
peer_clients() {
    local peers=${XDG_CACHE_HOME:-$HOME/.cache}/cove/peers
    mkdir -p "$peers"
    [ -x "$peers/transmission/usr/bin/transmission-daemon" ] ||
        unpack "$peers" transmission transmission-daemon libminiupnpc17 libnatpmp1 ||
        echo "transmission-daemon cannot be had here" >&2
}

# The other client of `make bench-share` that is not among those of the tests, and its tracker. It is
# built without its web page and its database.
share_peers() {
    local peers=${XDG_CACHE_HOME:-$HOME/.cache}/cove/peers
    mkdir -p "$peers"
    peer_crate "$peers" aquatic_http 0.9.0 --no-default-features --features mimalloc
    peer_crate "$peers" rqbit 9.1.0 --no-default-features --features rust-tls
    rm -rf "$peers/target"
}

command -v cargo >/dev/null || { echo "please install Rust first (rustup)" >&2; exit 1; }
if command -v apt-get >/dev/null; then
    install_packages "${BUILD_PACKAGES[@]}"
    case $1 in
        test) install_packages "${TEST_PACKAGES[@]}" ;;
        libtorrent) install_packages "${LIBTORRENT_PACKAGES[@]}" ;;
    esac
else
    need_elsewhere "$1"
fi
case $1 in
    test)
        make_venv
        make_node
        torrust_clients
        peer_clients
        ;;
    bench) peer_trackers ;;
    bench-api) peer_clients ;;
    bench-share) share_peers ;;
    fuzz) command -v cargo-fuzz >/dev/null || cargo install --quiet --locked cargo-fuzz ;;
esac
