#!/usr/bin/env bash
# Penny against llama.cpp's llama-bench on the same files, turn about in one run, so that both meet the same noise.
#   bench/compare.sh LLAMA_BENCH MODEL.gguf...        environment: THREADS=2 P=512 N=64 ROUNDS=3
# Prints a line a model and test: median tokens a second of each, and the ratio.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,5p' "$0"; exit 2; }
peer=$1; shift
threads=${THREADS:-$(nproc)} p=${P:-512} n=${N:-64} rounds=${ROUNDS:-3}
cd "$(dirname "$0")/.."
CGO_ENABLED=0 go build -o /tmp/penny-bench ./cmd/penny
out=$(mktemp -d); trap 'rm -rf "$out"' EXIT
/tmp/penny-bench --version
for model in "$@"; do
  name=$(basename "$model" .gguf)
  for _ in $(seq "$rounds"); do
    /tmp/penny-bench bench "$model" -p "$p" -n "$n" -t "$threads" -r 1 --json >> "$out/$name.penny"
    "$peer" -m "$model" -p "$p" -n "$n" -t "$threads" -r 1 -o jsonl 2>/dev/null >> "$out/$name.peer"
  done
  python3 - "$name" "$out/$name.penny" "$out/$name.peer" <<'PY'
import json, statistics as st, sys
name, ours, peers = sys.argv[1:]
ours = [json.loads(l) for l in open(ours)]
peers = [json.loads(l) for l in open(peers)]
print("llama.cpp", peers[0]["build_commit"])
for test, key, want in (("prefill", "prefill_tps", lambda r: r["n_prompt"] > 0), ("decode", "decode_tps", lambda r: r["n_gen"] > 0)):
    a = st.median(r[key]["median"] for r in ours)
    b = st.median(r["avg_ts"] for r in peers if want(r))
    print(f"{name:28} {test:8} penny {a:8.1f}  llama.cpp {b:8.1f}  ratio {a/b:5.2f}")
PY
done
