#!/bin/sh
# Installs the Debian packages named on standard input, one a line, as far as this user may.
#
#   packages.sh install   what can't be installed is listed with what then does not work; exit code 0
#   packages.sh require   what can't be installed is an error
set -eu

what_needs() {
    case "$1" in
        python3-venv) echo "everything: the environment that Layerlab lives in" ;;
        bubblewrap) echo "the faster isolators; without it the engine takes 'seccomp', which needs nothing" ;;
        busybox-static) echo "the parent image busybox:1" ;;
        mmdebstrap|debian-archive-keyring|fakechroot|fakeroot) echo "making the parent image debian:13 here, without Docker Hub" ;;
        docker-registry) echo "the local registry: pushing and pulling in the lessons" ;;
        gcc|libc6-dev) echo "the part of notebook 03 that compiles C" ;;
        *) echo "tests that compare with it" ;;
    esac
}

is_there() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

missing_of() { for package in "$@"; do is_there "$package" || printf ' %s' "$package"; done; }

wanted=$(grep -v '^#' || true)
if ! command -v dpkg-query >/dev/null; then
    echo "This is not Debian or Ubuntu, so install these with your own package manager: $(echo $wanted)" >&2
    [ "$1" = install ] && exit 0 || exit 1
fi
# Debian's python3 comes without the part that makes virtual environments.
if [ "$1" = install ] && [ -x /usr/bin/python3 ] && ! /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; then
    wanted="python3-venv $wanted"
fi

missing=$(missing_of $wanted)
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=
elif sudo -n true 2>/dev/null; then as_root=sudo
else as_root=nobody; fi

if [ "$as_root" != nobody ]; then
    echo "Installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    install="$as_root apt-get install -y -qq --no-install-recommends"
    $as_root apt-get update -qq || true
    if ! $install $missing >/dev/null; then
        # One package that is not to be had must not keep the others away.
        for package in $missing; do $install "$package" >/dev/null 2>&1 || true; done
    fi
    missing=$(missing_of $missing)
    [ -n "$missing" ] || exit 0
fi

why="could not be installed"
[ "$as_root" != nobody ] || why="only an administrator can install them"
echo "These packages are missing, and $why:" >&2
for package in $missing; do printf '  %-24s for %s\n' "$package" "$(what_needs "$package")" >&2; done
echo "  sudo apt-get install$missing" >&2
if [ "$1" = require ]; then exit 1; fi
case " $missing " in *" python3-venv "*) echo "Without python3-venv nothing can be set up." >&2; exit 1 ;; esac
echo "Everything else works without them." >&2
