# shellcheck shell=bash disable=SC2154
# The archive function over 26 simulated months, and what it leaves, read by other people's engines.

section "Archive, over 26 months"
moved() {
    "$here/clock.sh" "$work/moved-cmu" ./cmd/cmu && "$here/clock.sh" "$work/moved-archive" ./functions/archive
}
engine_reads() {
    ARCHIVE_WORK=$work ARCHIVE_PORT=$emulator_port ARCHIVE_PLACE=moved ARCHIVE_MONTHS=51 \
        "$work/emulator/bin/python" "$root/test/archive/engines.py" "$1"
}
check "simulated Adobe and function are built with a clock that can be moved" moved
if check "restatement, crash in mid-write, two writers, Adobe's horizon" \
    "$work/emulator/bin/python" "$here/archive.py" "$work" "$work/moved-cmu" "$work/moved-archive" "$emulator"; then
    tail -n 1 "$work/check.out" | sed 's/^/      | /'
    check "DuckDB reads all months from S3" engine_reads bucket
    check "Athena, emulated, reads all months" engine_reads athena
fi
