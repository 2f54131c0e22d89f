"""What compare.sh measured.

    python table.py ours RUN                 a JSON line of a run's directory
    python table.py table SIZE ROWS DOCTOR   a line of the table, and the two curves

A figure is the median over the rounds' steps, the best of the rounds: what disturbs a shared machine only makes it slower.
"""
import json
import os
import statistics
import sys


def ours(run):
    rows = [json.loads(line) for line in open(os.path.join(run, "metrics.jsonl"))]
    took = [b["seconds"] - a["seconds"] for a, b in zip(rows[1:], rows[2:])]
    spent = json.load(open(os.path.join(run, "receipt.json")))["totals"]["by_purpose"]
    speed = {k: spent[k]["flops"] / spent[k]["seconds"] / 1e9 for k in ("rollout", "learner")}
    print(json.dumps({"mode": "penny", "answers_per_s": round(rows[-1]["answers"] / statistics.median(took), 2), "gflop_per_s": speed,
                      "rewards": [round(r["reward"], 4) for r in rows]}))


def curve(runs, step):
    """Mean and 95 % interval over seeds."""
    v = [r["rewards"][step] for r in runs]
    half = {1: 0, 2: 12.7, 3: 4.30, 4: 3.18, 5: 2.78}.get(len(v), 2.6) * statistics.stdev(v) / len(v) ** 0.5 if len(v) > 1 else 0
    return f"{statistics.mean(v):.3f} ± {half:.3f}"


def table(size, path, doctor):
    rows = [json.loads(line) for line in open(path)]
    roof = max(json.loads(line)["roofs"]["f32_gflop_per_s"] for line in open(doctor))
    penny, peer = [r for r in rows if r.get("mode") == "penny"], [r for r in rows if r.get("mode") != "penny"]
    best = [max(r["answers_per_s"] for r in side) for side in (penny, peer)]
    share = {k: 100 * max(r["gflop_per_s"][k] for r in penny) / roof for k in ("rollout", "learner")}
    print("| | penny, answers/s | rollout of the roof | update of the roof | peer, answers/s | ratio |\n|---|---|---|---|---|---|")
    print(f"| {size} | {best[0]:.0f} | {share['rollout']:.0f} % | {share['learner']:.0f} % | {best[1]:.0f} | {best[0] / best[1]:.2f} |")
    if all("rewards" in r for r in rows):
        last = min(len(r["rewards"]) for r in rows)
        for step in sorted({0, 4, 9, 14, 19, 29, 39, last - 1}):
            if step < last:
                print(f"step {step + 1}: reward {curve(penny, step)}, peer {curve(peer, step)}")


if __name__ == "__main__":
    ours(sys.argv[2]) if sys.argv[1] == "ours" else table(*sys.argv[2:])
