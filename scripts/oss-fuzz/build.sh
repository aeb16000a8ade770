#!/usr/bin/env bash
# Builds every fuzz target into $OUT, for OSS-Fuzz, ClusterFuzzLite and scripts/oss-fuzz/check.
#
# The environment says what to do, as the base-builder image sets it: OUT, SANITIZER, and
# RUSTFLAGS with the sanitizer already in it, so that cargo-fuzz must add none. Nothing is
# asked of the working directory; OSS-Fuzz runs a copy of this file from $SRC.
set -euo pipefail

usage() {
    cat <<'END'
usage: OUT=/abs/DIR SANITIZER=address|coverage [RUSTFLAGS=...] scripts/oss-fuzz/build.sh

Leaves in OUT, for each binary of fuzz/Cargo.toml but `empty`, TARGET, TARGET.options and
TARGET_seed_corpus.zip. Outside of the images, where RUSTFLAGS is not set, it is set as they
do; -Zsanitizer needs a nightly compiler or RUSTC_BOOTSTRAP=1.
END
}

case ${1:-} in
'') ;;
-h | --help) usage; exit 0 ;;
*) echo "build.sh: unknown argument: $1" >&2; usage >&2; exit 2 ;;
esac
if [ -z "${OUT:-}" ] || [ -z "${SANITIZER:-}" ]; then
    echo "build.sh: OUT and SANITIZER must be set" >&2
    usage >&2
    exit 2
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -e "$root/../../fuzz/Cargo.toml" ]; then
    root=$(cd "$root/../.." && pwd)
else
    root=$SRC/ifscrub
fi
cd "$root"

common="--cfg fuzzing -Cdebuginfo=1 -Cforce-frame-pointers"
case $SANITIZER in
address) : "${RUSTFLAGS:=$common -Zsanitizer=address}" ;;
coverage) : "${RUSTFLAGS:=$common -Cinstrument-coverage}" ;;
*)
    echo "build.sh: SANITIZER=$SANITIZER: project.yaml names address, and coverage builds are made" >&2
    exit 2
    ;;
esac
export RUSTFLAGS
# The images' cargo and cargo-fuzz agree on this folder; without it each has its own idea.
target_dir=${CARGO_TARGET_DIR:-fuzz/target}
# Of the checkout, also where cargo is started in fuzz/.
[[ $target_dir = /* ]] || target_dir=$root/$target_dir
export CARGO_TARGET_DIR=$target_dir/oss-fuzz-$SANITIZER

host=$(rustc -vV | sed -n 's/^host: //p')
targets=$(cargo metadata --no-deps --format-version 1 --manifest-path fuzz/Cargo.toml | python3 -c '
import json, sys
# Not the crate for AFL++, and not what all targets share.
[package] = [p for p in json.load(sys.stdin)["packages"] if p["name"] == "ifscrub-fuzz"]
print(*sorted(t["name"] for t in package["targets"] if "bin" in t["kind"] and t["name"] != "empty"))
')
if [ "$SANITIZER" = coverage ]; then
    # Not optimized, as everywhere in OSS-Fuzz, and with the paths that llvm-cov will look for:
    # the files of the fuzz crates would be known by relative ones.
    built=$CARGO_TARGET_DIR/$host/debug
    # CONTRIBUTING.md counts on it; rustc's checks for overflow go with them.
    RUSTFLAGS="$RUSTFLAGS -C debug-assertions=no"
    for own in fuzz_targets glue; do
        RUSTFLAGS="$RUSTFLAGS --remap-path-prefix $own=$root/fuzz/$own"
    done
    for target in $targets; do
        (cd fuzz && cargo build --locked --target "$host" --bin "$target")
    done
else
    built=$CARGO_TARGET_DIR/$host/release
    for target in $targets; do
        # There are no magic values to compare.
        cargo fuzz build -O --debug-assertions --sanitizer none --no-trace-compares \
            --target "$host" "$target"
    done
fi

mkdir -p "$OUT"
for target in $targets; do
    cp "$built/$target" "$OUT/$target"
    rm -f "$OUT/${target}_seed_corpus.zip"
    # Not by `ifscrub corpus zip`, which would take another build: without it a target pinned to
    # a kernel has the other's seeds too, some 20 that it rejects when it starts.
    python3 -m zipfile -c "$OUT/${target}_seed_corpus.zip" corpus/ops/seed-*
    # A header and 64 operations of 8 bytes; what follows is not looked at. The entropic schedule
    # finds less here, and keeps ever more of each input: docs/continuous.md, Memory.
    printf '[libfuzzer]\nmax_len = 520\nentropic = 0\n' >"$OUT/$target.options"
done
echo "in $OUT: $targets"
