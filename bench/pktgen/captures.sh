#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Writes the captures that README.md names.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: bench/pktgen/captures.sh OUT-DIRECTORY VIEW SETS.ini [OPTION of millrace pcap]..." >&2
    exit 2
fi
out=$1 view=$2 sets=$3
shift 3
millrace=${MILLRACE:-$(dirname "$0")/../../build/app/millrace/millrace}
mkdir -p "$out"

make() {
    local name=$1
    shift
    "$millrace" pcap --write "$out/$name.pcap" --sets "$sets" --count "${COUNT:-20000}" "$@" "$view"
}

make uniform "$@"
make zipf --zipf 0.99 "$@"
make batch16 --batch 16 "$@"
make absent --absent 100 "$@"
make flows --flows 64 "$@"
