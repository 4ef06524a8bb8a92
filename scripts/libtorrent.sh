#!/bin/sh
# Builds libtorrent 2.0.11 from Debian's source package into the user's cache, where our build
# finds it by itself. Optional: for machines whose own libtorrent is older.
#
# The address of the package comes from this machine's apt configuration: the same mirror, the
# suite that has 2.0.11, sources instead of programs. Needs root or sudo for the build packages.
set -eu

version=2.0.11
suite=trixie
prefix=${XDG_CACHE_HOME:-$HOME/.cache}/cove/libtorrent-$version
if [ -e "$prefix/lib/pkgconfig/libtorrent-rasterbar.pc" ]; then
    echo "already there: $prefix"
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "this needs apt (Debian, Ubuntu); elsewhere build libtorrent $version yourself and set" \
        "LIBTORRENT_PREFIX" >&2
    exit 1
fi
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
    cmake ninja-build g++ dpkg-dev pkg-config libboost-dev libboost-system-dev libssl-dev

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The first mirror of a Debian suite that this machine uses, in either format of apt's lists.
uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' | grep -v security | head -n 1)
[ -n "$uri" ] || uri=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -nE 's/^URIs: *([^ ]+).*/\1/p' | grep -v security | head -n 1)
if [ -z "$uri" ]; then
    echo "no mirror found in this machine's apt configuration" >&2
    exit 1
fi
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/parts"
echo "deb-src [signed-by=$keyring] $uri $suite main" >"$work/sources.list"
apt() {
    apt-get -q -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts" \
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work" -o APT::Sandbox::User="$(id -un)" "$@"
}
apt update
cd "$work"
apt source --only-source "libtorrent-rasterbar"
cd libtorrent-rasterbar-$version*/
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS=-O2 \
    -DBUILD_SHARED_LIBS=OFF -Dpython-bindings=OFF -DCMAKE_INSTALL_PREFIX="$prefix" \
    -DCMAKE_INSTALL_LIBDIR=lib
cmake --build build
cmake --install build
echo "built: $prefix"
