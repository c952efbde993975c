#!/bin/sh
# A root file system with Python 3 from this machine's own apt sources, for machines that reach
# no container registry. Writes a tar file; `agentbench sandbox build --from debian` imports it
# and builds sandbox/Dockerfile on it.
#
#   debian-rootfs.sh OUTPUT.tar [SOURCES-FILE ...]
#
# Without SOURCES-FILE: /etc/apt/sources.list and /etc/apt/sources.list.d/*.{sources,list}.
# Needs mmdebstrap, and root or unprivileged user namespaces.
set -eu

output=$1
shift
if [ $# -eq 0 ]; then
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list; do
        if [ -s "$file" ]; then set -- "$@" "$file"; fi
    done
fi
if [ $# -eq 0 ]; then
    echo "no apt sources under /etc/apt: name a file with them" >&2
    exit 2
fi

# Left out: what only an interactive or a compiling system needs, and Perl, which only packaging uses.
# The list of packages (var/lib/dpkg/status) stays, so that scanners can read it.
trim='cd "$1" && rm -rf \
    usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/lintian usr/share/bug \
    usr/share/bash-completion usr/share/perl usr/share/perl5 usr/bin/perl* usr/lib/*/perl usr/lib/*/perl-base \
    usr/lib/*/libperl.so* usr/lib/*/gconv usr/lib/python3*/pydoc_data usr/lib/python3*/test \
    var/cache/* var/lib/apt/lists/* var/lib/dpkg/info var/lib/dpkg/*-old \
    var/log/* tmp/* \
    && find . -xdev -type f -perm /6000 -exec chmod a-s {} +'

exec mmdebstrap --variant=essential --include=python3 \
    --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook="$trim" \
    '' "$output" "$@"
