#!/bin/sh
# Installs header, libraries and wheesht.pc into a prefix: install.sh PREFIX [DIRECTORY OF THE BUILT LIBRARIES]
set -eu
prefix=${1:?usage: install.sh PREFIX [BUILT]}
here=$(cd "$(dirname "$0")" && pwd)
built=${2:-${CARGO_TARGET_DIR:-$here/../target}/release}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' "$here/../Cargo.toml")

mkdir -p "$prefix/include" "$prefix/lib/pkgconfig"
cp "$here/wheesht.h" "$prefix/include/"
sed -e "s|@prefix@|$prefix|" -e "s|@version@|$version|" "$here/wheesht.pc.in" >"$prefix/lib/pkgconfig/wheesht.pc"
found=
for library in libwheesht.so libwheesht.dylib libwheesht.a; do
  if [ -e "$built/$library" ]; then cp "$built/$library" "$prefix/lib/" && found=yes; fi
done
[ -n "$found" ] || { echo "no library in $built: run cargo build --release -p wheesht-ffi first" >&2; exit 1; }
