#!/bin/sh
# A parameter comes as SP_PARAM_<NAME>; the last line on stdout becomes the run's message.
set -eu
echo "attempt $SP_ATTEMPT of $SP_IDEMPOTENCY_KEY" >&2
echo "$(cat "$SP_PARAM_FOLDER"/* | wc -w | tr -d ' ') words"
