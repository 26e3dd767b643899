#!/bin/sh
# Puts the docker command line into a directory, without root and without the daemon that its package brings along.
#
#   docker-cli.sh DIRECTORY
#
# Debian has it as docker-cli (13 and newer), Ubuntu and Debian 12 as a part of docker.io. Only the program is kept.
set -eu

into=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$into"
apt() { apt-get -qq -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root "$@"; }

apt update
cd "$work"
apt download docker-cli 2>/dev/null || apt download docker.io
dpkg-deb --fsys-tarfile ./*.deb | tar -xf - ./usr/bin/docker
mv usr/bin/docker "$into/docker"
