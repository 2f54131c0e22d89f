"""Makes a line of the table of what compare.sh measured: python table.py SIZE ROWS DOCTOR, both of the latter files with a JSON object a line.

A mode's figure is the best of its rounds, and a round's the median of its steps: what disturbs a shared machine only makes it slower.
"""
import json
import sys

size, rows, doctor = sys.argv[1:]
best, flops, failed = {}, 0, {}
for row in map(json.loads, open(rows)):
    if "error" in row:
        failed[row["mode"]] = row["error"]
        continue
    best[row["mode"]] = max(best.get(row["mode"], 0), row["tokens_per_s"])
    flops = row.get("flops", flops)
roofs = [json.loads(line)["roofs"] for line in open(doctor)]
peers = {m: v for m, v in best.items() if not m.startswith("penny")}
columns = ["eager-f32", "compiled-f32", "eager-bf16", "compiled-bf16"]
print("| network | penny f32 | of the roof | penny bf16 | of the roof | " + " | ".join("peer " + c.replace("-", " ") for c in columns)
      + " | f32 : its best f32 | bf16 : its best bf16 | best : best |")
print("|" + "---|" * (5 + len(columns) + 3))
cells = [size]
for precision in ("f32", "bf16"):
    speed = best["penny-" + precision]
    cells += [f"{speed:.0f}", f"{100 * speed * flops / 1e9 / max(r[precision + '_gflop_per_s'] for r in roofs):.0f} %"]
cells += [f"{best[c]:.0f}" if c in best else "-" for c in columns]
ratio = lambda a, b: f"{a / b:.2f}" if b else "-"
for precision in ("f32", "bf16"):
    cells.append(ratio(best["penny-" + precision], max((v for m, v in peers.items() if m.endswith(precision)), default=0)))
cells.append(ratio(max(v for m, v in best.items() if m.startswith("penny")), max(peers.values(), default=0)))
print("| " + " | ".join(cells) + " |")
for mode, error in failed.items():
    print(f"{size} {mode}: {error}", file=sys.stderr)
