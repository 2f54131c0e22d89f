#!/usr/bin/env bash
# Penny's training speed against PyTorch's on the same networks, turn about in one run, so that both meet the same noise.
#   bench/train/compare.sh [SIZE...]     sizes: 1m 10m 100m moe-1m moe-10m moe-100m (all of them)
# Environment: THREADS=2, ROUNDS=3, TIME=10 seconds a measurement (three times that for 100m), MODES of the peer,
# PEER_PYTHON a Python that has PyTorch (else one is installed into PEER_ENV, by default ~/.cache/penny-bench),
# PENNY a binary (else it is built), RUN a command put before each measured process.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
sizes=("$@"); [ $# -gt 0 ] || sizes=(1m 10m 100m moe-1m moe-10m moe-100m)
threads=${THREADS:-$(nproc)} rounds=${ROUNDS:-3} modes=${MODES:-eager-f32 compiled-f32 eager-bf16 compiled-bf16}
out=$(mktemp -d); trap 'rm -rf "$out"' EXIT

penny=${PENNY:-}
if [ -z "$penny" ]; then
  penny=$out/penny
  CGO_ENABLED=0 go build -o "$penny" ./cmd/penny
fi
python=${PEER_PYTHON:-}
if [ -z "$python" ]; then
  env=${PEER_ENV:-$HOME/.cache/penny-bench} python=${PEER_ENV:-$HOME/.cache/penny-bench}/bin/python
  [ -x "$python" ] || python3 -m venv "$env"
  "$python" -c 'import torch' 2>/dev/null || "$python" -m pip install --quiet "${TORCH:-torch==2.15.0}" numpy
fi
export TORCHINDUCTOR_CACHE_DIR=${TORCHINDUCTOR_CACHE_DIR:-$out/inductor} # what was compiled in one round serves the next

"$python" - "$out" <<'PY'
import array, random, sys
r = random.Random(1)
characters = "\n" + "".join(map(chr, range(33, 97)))
open(sys.argv[1] + "/random.txt", "w").write("".join(r.choices(characters, k=1 << 20)))
array.array("H", (r.randrange(32000) for _ in range(1 << 20))).tofile(open(sys.argv[1] + "/random.bin", "wb"))
PY

# ours SIZE PRECISION SECONDS: whole steps of penny train, as its metrics.jsonl has them
ours() {
  local data=$out/random.txt
  case $1 in *100m) data=$out/random.bin ;; esac
  rm -rf "$out/run"
  ${RUN:-} "$penny" train "$here/$1.yaml" --set data.sources.0.files="$data" --set precision="$2" --set budget.steps=1000000 \
    --set budget.minutes="$(awk "BEGIN { print $3/60 }")" --threads "$threads" --out "$out/run" --json >/dev/null 2>"$out/log" || { cat "$out/log" >&2; return 1; }
  "$python" - "$1" "$2" "$out/run/metrics.jsonl" <<'PY'
import json, statistics, sys
size, precision, path = sys.argv[1:]
rows = [json.loads(l) for l in open(path)]
speeds = [r["tokens_per_s"] for r in rows[2:]]  # the first steps make the buffers
if len(speeds) < 2:
    sys.exit(f"{size} {precision}: {len(rows)} steps are too few: give it more TIME")
print(json.dumps(dict(size=size, mode="penny-" + precision, tokens_per_s=statistics.median(speeds), flops=rows[-1]["flops"] / rows[-1]["tokens"], steps=len(speeds))))
PY
}

for size in "${sizes[@]}"; do
  seconds=${TIME:-10}
  case $size in *100m) seconds=$((3 * seconds)) ;; esac
  for _ in $(seq "$rounds"); do
    for _ in 1 2 3 4 5; do ${RUN:-} "$penny" doctor --json >> "$out/doctor"; done # a busy machine hides its roof
    for precision in f32 bf16; do
      ours "$size" $precision "$seconds"
      for mode in $modes; do
        case $mode in *-$precision) ${RUN:-} "$python" "$here/peer.py" --size "$size" --threads "$threads" --seconds "$seconds" --modes "$mode" 2>/dev/null ;; esac
      done
    done
  done | tee "$out/$size.rows" >&2
  "$python" "$here/table.py" "$size" "$out/$size.rows" "$out/doctor" >> "$out/table"
done
awk '!/^\|/ || !seen[$0]++' "$out/table"
