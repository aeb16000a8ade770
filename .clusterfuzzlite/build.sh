#!/usr/bin/env bash
# The build is the one of OSS-Fuzz, from the checkout.
exec bash -eu "$SRC/ifscrub/scripts/oss-fuzz/build.sh"
