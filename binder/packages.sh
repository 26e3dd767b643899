#!/bin/sh
# Installs the Debian packages named on standard input, one a line, as far as this user may.
#
#   packages.sh install   what can't be installed is listed with what then does not work; exit code 0
#   packages.sh require   what can't be installed is an error
set -eu

what_needs() {
    case "$1" in
        bubblewrap) echo "the faster isolators; without it the engine takes 'seccomp', which needs nothing" ;;
        busybox-static) echo "the parent image busybox:1" ;;
        mmdebstrap|debian-archive-keyring|fakechroot|fakeroot) echo "making the parent image debian:13 here, without Docker Hub" ;;
        docker-registry) echo "the local registry: pushing and pulling in the lessons" ;;
        gcc|libc6-dev) echo "the part of notebook 03 that compiles C" ;;
        *) echo "tests that compare with it" ;;
    esac
}

is_there() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

wanted=$(grep -v '^#' || true)
if ! command -v dpkg-query >/dev/null; then
    echo "This is not Debian or Ubuntu, so install these with your own package manager: $(echo $wanted)" >&2
    [ "$1" = install ] && exit 0 || exit 1
fi
# Debian's python3 comes without the part that makes virtual environments.
if [ "$1" = install ] && ! /usr/bin/python3 -c 'import ensurepip' 2>/dev/null && [ -x /usr/bin/python3 ]; then
    wanted="python3-venv $wanted"
fi

missing=
for package in $wanted; do is_there "$package" || missing="$missing $package"; done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=
elif sudo -n true 2>/dev/null; then as_root=sudo
else as_root=nobody; fi

if [ "$as_root" != nobody ]; then
    echo "Installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    if $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null; then
        exit 0
    fi
    still=
    for package in $missing; do is_there "$package" || still="$still $package"; done
    missing=$still
fi

echo "These packages are missing, and only an administrator can install them:" >&2
for package in $missing; do printf '  %-24s for %s\n' "$package" "$(what_needs "$package")" >&2; done
echo "  sudo apt-get install$missing" >&2
if [ "$1" = require ]; then exit 1; fi
echo "Everything else works without them." >&2
