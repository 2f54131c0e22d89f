#!/usr/bin/env bash
# GRPO's throughput and its way up against TRL and a plain PyTorch loop, on the same networks, turn about in one run.
#   bench/rl/compare.sh [SIZE...]     sizes: 0.9m 3m plain (all of them); plain is the loop of peer_plain.py, 256 answers of 100 tokens
# Environment: THREADS=2, ROUNDS=3, STEPS=30 of each run (also the length of the curves), PEER_PYTHON a Python that has PyTorch and TRL (else they
# are installed into PEER_ENV, by default ~/.cache/penny-bench), PENNY a binary (else it is built).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
sizes=("$@"); [ $# -gt 0 ] || sizes=(0.9m 3m plain)
threads=${THREADS:-$(nproc)} rounds=${ROUNDS:-3} steps=${STEPS:-30}
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
  "$python" -c 'import torch, trl' 2>/dev/null || "$python" -m pip install --quiet "${TORCH:-torch==2.15.0}" "${TRL:-trl==1.16.0}" numpy
fi
task=$here/letters.star
"$penny" task sample "$task" --split train --n 2000 > "$out/prompts.jsonl"

# base SIZE: the checkpoint that all begin with
base() {
  [ -d "$out/$1" ] && return
  local set=()
  [ "$1" = 0.9m ] || set=(--set model.hidden=208 --set model.layers=6 --set model.intermediate=544)
  "$penny" train "$here/base.yaml" --set data.sources.0.task="$task" "${set[@]}" --threads "$threads" --out "$out/$1" --json >/dev/null 2>"$out/log" || { cat "$out/log" >&2; return 1; }
}

# ours SIZE STEPS SEED SET...: a line of answers a second and of rewards
ours() {
  local size=$1 n=$2 seed=$3; shift 3
  rm -rf "$out/run"
  "$penny" train "$here/grpo.yaml" --set model.from="$out/$size/model" --set rl.task="$task" --set budget.steps="$n" --set seed="$seed" "$@" \
    --threads "$threads" --out "$out/run" --json >/dev/null 2>"$out/log" || { cat "$out/log" >&2; return 1; }
  "$python" "$here/table.py" ours "$out/run"
}

for size in "${sizes[@]}"; do
  net=$size; [ "$size" != plain ] || net=0.9m
  base "$net"
  for round in $(seq "$rounds"); do
    for _ in 1 2 3; do "$penny" doctor --json >> "$out/doctor"; done # a busy machine hides its roof
    if [ "$size" = plain ]; then
      ours "$net" 8 "$round" --set rl.prompts=32 --set rl.max_tokens=100
      "$python" "$here/peer_plain.py" --threads "$threads" --steps 5
    else
      ours "$net" "$steps" "$round"
      "$python" "$here/peer_trl.py" --model "$out/$net/model" --prompts "$out/prompts.jsonl" --threads "$threads" --steps "$steps" --seed "$round" 2>/dev/null | tail -1
    fi
  done | tee "$out/$size.rows" >&2
  "$python" "$here/table.py" table "$size" "$out/$size.rows" "$out/doctor"
done
