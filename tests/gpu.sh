#!/usr/bin/env bash
# All that a GPU has to show, in one call of less than ten minutes: the tests that compute, which take
# a GPU where there is one; how near its edits are to those of the CPU; and the benches on both.
#
#   tests/gpu.sh [FOLDER]     what is found is left in FOLDER (gpu, if not given)
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-gpu}
mkdir -p "$out"
python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || {
  echo "there is no CUDA device here: torch.cuda.is_available() is false" >&2
  exit 1
}
failed=0
part() { # name, seconds, command
  local name=$1 limit=$2
  shift 2
  local since=$SECONDS
  timeout "$limit" "$@" > "$out/$name.txt" 2> "$out/$name.err" || failed=1
  echo "$name: exit $?, $((SECONDS - since)) s"
}

part machine 20 python -c 'import torch; print(torch.__version__, torch.cuda.get_device_name(0))'
part repeat 90 python -m redraft bench repeat --recipe glasses --recipe no-glasses --device cuda --format json
for device in cuda cpu; do
  part "solve-$device" 60 python -m redraft bench solve --rank 8 --steps 201 --device "$device" --format json
  part "stats-$device" 30 python -m redraft bench stats --device "$device" --format json
  part "live-$device" 60 python -m redraft bench live --repeats 5 --device "$device" --format json
  part "run-$device" 30 python -m redraft bench run --device "$device" --format json
done
part tests 150 python -m pytest -q -n 4 tests/runtime/test_live.py tests/runtime/test_stages.py \
  tests/runtime/test_runner.py tests/runtime/test_reproducing.py tests/runtime/test_architectures_run.py \
  tests/runtime/test_modules.py tests/runtime/test_arithmetic.py
exit "$failed"
