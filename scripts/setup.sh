#!/bin/sh
# Installs what is missing for `run` (building and starting) or `test` (that, and the test tools).
#
# On Debian and Ubuntu through apt, as root or with sudo; elsewhere it says what to install. Does
# nothing when everything is there, so it costs little to call each time.
set -eu
cd "$(dirname "$0")/.."

for_what=${1:-run}
case $for_what in run | test) ;; *)
    echo "usage: scripts/setup.sh [run|test]" >&2
    exit 2
    ;;
esac

missing=""
need() { # need PACKAGE COMMAND...: the package, unless the command succeeds
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
program() { # also where a user's PATH may not look
    command -v "$1" || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]
}
# A libtorrent of one's own counts too: LIBTORRENT_PREFIX, or the cache of `make libtorrent`.
libtorrent() {
    cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/cove/libtorrent-2.0.11
    for prefix in "${LIBTORRENT_PREFIX:-}" "$cache"; do
        [ -n "$prefix" ] && [ -e "$prefix/lib/pkgconfig/libtorrent-rasterbar.pc" ] && return 0
    done
    pkg-config --atleast-version=2.0.8 libtorrent-rasterbar
}
# `python3 -m venv` needs ensurepip, which Debian puts into a package of its own.
venv_module() { python3 -c 'import venv, ensurepip'; }

need pkg-config program pkg-config
need libtorrent-rasterbar-dev libtorrent
need g++ program c++
need make program make
if [ "$for_what" = test ]; then
    need qbittorrent-nox program qbittorrent-nox
    need aria2 program aria2c
    need python3 program python3
    need e2fsprogs program mkfs.ext4
    need iproute2 program ip
    need util-linux program unshare
    need mount program losetup
fi

install() {
    if ! command -v apt-get >/dev/null; then
        echo "please install the equivalent of these Debian packages:$missing" >&2
        exit 1
    fi
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "please install, as root: apt-get install$missing" >&2
            exit 1
        fi
        as_root="sudo"
    fi
    echo "installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get update -q >/dev/null
    # shellcheck disable=SC2086 # a list of words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
    missing=""
}

[ -z "$missing" ] || install
if ! command -v cargo >/dev/null; then
    echo "please install Rust 1.95 or newer: https://rustup.rs" >&2
    exit 1
fi
[ "$for_what" = test ] || exit 0

# The foreign peer of the tests: a libtorrent that is not ours, as a Python wheel.
if [ -x .venv/bin/python ] && .venv/bin/python -c 'import libtorrent' 2>/dev/null; then
    exit 0
fi
if ! venv_module 2>/dev/null; then
    missing=" python3-venv"
    install
fi
rm -rf .venv
python3 -m venv .venv
.venv/bin/pip install -q --disable-pip-version-check -r tests/foreign/requirements.txt
.venv/bin/python -c 'import libtorrent'
