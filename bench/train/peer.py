"""Training speed of the same networks in PyTorch: tokens a second of whole steps (forward, backward, clipping, AdamW).

    python peer.py --size 1m --threads 2 --seconds 20 [--modes eager-f32,compiled-f32,eager-bf16,compiled-bf16]

Prints one JSON line a mode. The networks are those of the recipes beside this file: Llama-style dense ones, and DeepSeek-V3-style ones with latent
attention, shared and routed experts. Experts are measured in two ways: the plain loop that published model code has, and sorted rows with grouped_mm.
"""
import argparse
import json
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

SIZES = {
    "1m": dict(layers=4, hidden=128, heads=4, ffn=344, vocab=65, seq=64, batch=12),
    "10m": dict(layers=6, hidden=384, heads=6, ffn=1024, vocab=65, seq=256, batch=8),
    "100m": dict(layers=12, hidden=768, heads=12, ffn=2048, vocab=32000, seq=512, batch=2),
    "moe-1m": dict(layers=4, hidden=128, heads=4, ffn=344, vocab=65, seq=64, batch=12, latent=48, nope=24, rope=8, v=32, experts=8, used=2, expert=112,
                   dense=1),
    "moe-10m": dict(layers=6, hidden=384, heads=6, ffn=1024, vocab=65, seq=256, batch=8, latent=128, nope=48, rope=16, v=64, experts=16, used=4,
                    expert=192, dense=1),
    "moe-100m": dict(layers=8, hidden=512, heads=8, ffn=1408, vocab=32000, seq=512, batch=4, latent=128, nope=48, rope=16, v=64, experts=32, used=4,
                     expert=256, dense=1),
}


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, d = c["heads"], c["hidden"]
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))

    def forward(self, x, cos, sin):
        b, t, d = x.shape
        q, k, v = (f(x).view(b, t, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True)
        return self.o(y.transpose(1, 2).reshape(b, t, d))


class Latent(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, h, d = c, c["heads"], c["hidden"]
        self.q = nn.Linear(d, h * (c["nope"] + c["rope"]), bias=False)
        self.kva = nn.Linear(d, c["latent"] + c["rope"], bias=False)
        self.norm = nn.RMSNorm(c["latent"], 1e-6)
        self.kvb = nn.Linear(c["latent"], h * (c["nope"] + c["v"]), bias=False)
        self.o = nn.Linear(h * c["v"], d, bias=False)

    def forward(self, x, cos, sin):
        c, (b, t, _) = self.c, x.shape
        h = c["heads"]
        q = self.q(x).view(b, t, h, -1).transpose(1, 2)
        qn, qr = q.split([c["nope"], c["rope"]], -1)
        latent, kr = self.kva(x).split([c["latent"], c["rope"]], -1)
        kn, v = self.kvb(self.norm(latent)).view(b, t, h, -1).transpose(1, 2).split([c["nope"], c["v"]], -1)
        kr = rotate(kr.unsqueeze(1), cos, sin).expand(-1, h, -1, -1)
        y = F.scaled_dot_product_attention(torch.cat((qn, rotate(qr, cos, sin)), -1), torch.cat((kn, kr), -1), v, is_causal=True)
        return self.o(y.transpose(1, 2).reshape(b, t, -1))


class MLP(nn.Module):
    def __init__(self, d, f):
        super().__init__()
        self.gate, self.up, self.down = nn.Linear(d, f, bias=False), nn.Linear(d, f, bias=False), nn.Linear(f, d, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Experts(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.router = nn.Linear(c["hidden"], c["experts"], bias=False)
        self.bias = nn.Buffer(torch.zeros(c["experts"]))
        self.experts = nn.ModuleList(MLP(c["hidden"], c["expert"]) for _ in range(c["experts"]))
        self.shared = MLP(c["hidden"], c["expert"])

    def forward(self, x):
        flat = x.reshape(-1, x.shape[-1])
        s = torch.sigmoid(F.linear(flat.float(), self.router.weight.float()))
        ids = torch.topk(s + self.bias, self.c["used"], -1).indices
        w = s.gather(1, ids)
        w = 2.5 * w / (w.sum(-1, keepdim=True) + 1e-20)
        out = torch.zeros_like(flat)
        for e, expert in enumerate(self.experts):
            row, slot = torch.where(ids == e)
            if row.numel():
                out.index_add_(0, row, (expert(flat[row]) * w[row, slot].unsqueeze(-1)).to(out.dtype))
        return (out + self.shared(flat)).view_as(x)


class Grouped(Experts):
    """Experts with the rows sorted by expert, and one product for all of them."""

    def __init__(self, c):
        super().__init__(c)
        n, d, f = c["experts"], c["hidden"], c["expert"]
        del self.experts
        self.gate, self.up, self.down = (nn.Parameter(torch.empty(n, *shape)) for shape in ((d, f), (d, f), (f, d)))

    def forward(self, x):
        flat, used = x.reshape(-1, x.shape[-1]), self.c["used"]
        s = torch.sigmoid(F.linear(flat.float(), self.router.weight.float()))
        ids = torch.topk(s + self.bias, used, -1).indices
        w = s.gather(1, ids)
        w = 2.5 * w / (w.sum(-1, keepdim=True) + 1e-20)
        order = ids.view(-1).argsort(stable=True)
        rows = order // used
        ends = torch.bincount(ids.view(-1), minlength=self.c["experts"]).cumsum(0).int()
        dtype = torch.bfloat16 if torch.is_autocast_enabled("cpu") else flat.dtype  # autocast leaves grouped_mm alone
        h, gate, up, down = (v.to(dtype) for v in (flat[rows], self.gate, self.up, self.down))
        y = F.grouped_mm(F.silu(F.grouped_mm(h, gate, offs=ends)) * F.grouped_mm(h, up, offs=ends), down, offs=ends)
        out = torch.zeros_like(flat).index_add_(0, rows, (y * w.view(-1)[order].unsqueeze(-1)).to(flat.dtype))
        return (out + self.shared(flat)).view_as(x)


class Layer(nn.Module):
    def __init__(self, c, i):
        super().__init__()
        self.n1, self.n2 = nn.RMSNorm(c["hidden"], 1e-5), nn.RMSNorm(c["hidden"], 1e-5)
        self.attn = Latent(c) if "latent" in c else Attention(c)
        experts = Grouped if c.get("grouped") else Experts
        self.mlp = experts(c) if "experts" in c and i >= c["dense"] else MLP(c["hidden"], c["ffn"])

    def forward(self, x, cos, sin):
        x = x + self.attn(self.n1(x), cos, sin)
        return x + self.mlp(self.n2(x))


class Network(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed = nn.Embedding(c["vocab"], c["hidden"])
        self.layers = nn.ModuleList(Layer(c, i) for i in range(c["layers"]))
        self.norm = nn.RMSNorm(c["hidden"], 1e-5)
        self.head = nn.Linear(c["hidden"], c["vocab"], bias=False)
        self.head.weight = self.embed.weight
        rope = c.get("rope", c["hidden"] // c["heads"])
        a = torch.arange(c["seq"]).float().unsqueeze(1) * 10000 ** (-torch.arange(0, rope, 2).float() / rope)
        self.cos, self.sin = nn.Buffer(a.cos()), nn.Buffer(a.sin())
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)

    def forward(self, ids, labels):
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin)
        return F.cross_entropy(self.head(self.norm(x)).float().view(-1, self.head.weight.shape[0]), labels.view(-1))


def measure(c, mode, seconds):
    torch.manual_seed(1)
    kind, dtype = mode.split("-")
    net = Network(c)
    params = sum(p.numel() for p in net.parameters())
    opt = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    run = torch.compile(net) if kind == "compiled" else net

    def step():
        ids = torch.randint(c["vocab"], (c["batch"], c["seq"] + 1))
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            loss = run(ids[:, :-1], ids[:, 1:].contiguous())
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=True)

    for _ in range(3):
        step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        t = time.perf_counter()
        step()
        times.append(time.perf_counter() - t)
    times.sort()
    tokens = c["batch"] * c["seq"]
    return dict(mode=mode, params=params, tokens_per_s=round(tokens / times[len(times) // 2]), best=round(tokens / times[0]), steps=len(times))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--size", choices=SIZES, default="1m")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--seconds", type=float, default=15)
    a.add_argument("--modes", default="eager-f32,compiled-f32,eager-bf16,compiled-bf16")
    a = a.parse_args()
    torch.set_num_threads(a.threads)
    size = SIZES[a.size]
    for mode in a.modes.split(","):
        for how in ({"experts": "loop"}, {"experts": "grouped"}) if "experts" in size else ({},):
            torch._dynamo.reset()
            try:
                r = measure(dict(size, grouped=how.get("experts") == "grouped"), mode, a.seconds)
            except Exception as e:  # a mode that this PyTorch cannot do is reported, not hidden
                r = dict(mode=mode, error=str(e).splitlines()[0][:200])
            print(json.dumps(dict(size=a.size, torch=torch.__version__, threads=a.threads, **how, **r)), flush=True)


if __name__ == "__main__":
    main()
