#!/bin/sh
# Builds libtorrent 2.0.11 as a static library from the distribution's source package and puts it
# where the build looks for it. Optional: without it the distribution's own library is linked.
#
#   scripts/libtorrent.sh [PREFIX]      default: ${XDG_CACHE_HOME:-$HOME/.cache}/cove/libtorrent-2.0.11
#
# Takes about ten CPU minutes. Needs apt, dpkg-dev, cmake, ninja, a C++ compiler, boost and OpenSSL;
# `make libtorrent` installs them.
# The package comes from the mirror that this machine's apt already uses, checked by apt's own keys.
set -eu

version=2.0.11
suite=trixie
prefix=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/cove/libtorrent-$version}

if [ -f "$prefix/lib/pkgconfig/libtorrent-rasterbar.pc" ]; then
    echo "libtorrent $version is already in $prefix"
    exit 0
fi
for tool in apt-get dpkg-source cmake ninja c++ pkg-config; do
    command -v "$tool" >/dev/null || {
        echo "$tool is missing; install: dpkg-dev cmake ninja-build g++ pkg-config libboost-dev libssl-dev" >&2
        exit 1
    }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# The mirror of the distribution's main archive, as apt knows it.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)/$(LABEL)/$(COMPONENT)' \
    'Created-By: Packages' | awk '$2 == "Debian/Debian/main" { print $1; exit }')
if [ -z "$mirror" ]; then
    echo "apt knows no Debian mirror; install libtorrent-rasterbar-dev instead" >&2
    exit 1
fi

# A source list of its own: the machine's apt configuration stays as it is.
mkdir -p "$work/lists/partial" "$work/archives/partial"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$keyring] $mirror $suite main" > "$work/sources.list"
own_apt() {
    apt-get -q -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache::archives=$work/archives" \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User= "$@"
}
own_apt update
(cd "$work" && own_apt source "libtorrent-rasterbar/$suite")
source=$(find "$work" -maxdepth 1 -type d -name "libtorrent-rasterbar-$version*")
if [ -z "$source" ]; then
    echo "$suite does not hold libtorrent $version any more" >&2
    exit 1
fi

# A temporary prefix first, so that an interrupted build never looks complete.
cmake -S "$source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" -DCMAKE_CXX_STANDARD=17 \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF -Dpython-bindings=OFF \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_PREFIX="$prefix"
nice -n 10 cmake --build "$work/build"
DESTDIR="$work/root" cmake --install "$work/build"
mkdir -p "$(dirname "$prefix")"
rm -rf "$prefix.new"
cp -R "$work/root$prefix" "$prefix.new"
rm -rf "$prefix"
mv "$prefix.new" "$prefix"
# Makes the next build look again.
touch "$(dirname "$0")/../vendor/libtorrent-sys/build.rs"
echo "libtorrent $version is in $prefix"
