"""A plain batched GRPO loop in PyTorch: 256 answers of 100 tokens (8 to each prompt of 12), sampled with a preallocated cache, then one update.

    python peer_plain.py --size dense --threads 2 --steps 3

Prints one JSON line. The network is that of `go test ./rl -bench Step`: Llama-style, 0.85 million parameters, float32. What could be done for PyTorch
without writing kernels is done: one product for q, k and v, one for gate and up, the prompt of a group run once, no gradient while sampling.
"""
import argparse
import json
import resource
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

SIZES = {"dense": dict(layers=4, hidden=128, heads=4, ffn=384), "3m": dict(layers=6, hidden=208, heads=4, ffn=544)}
VOCAB, PROMPT, ANSWER, GROUPS, GROUP = 32, 12, 100, 32, 8


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class Block(nn.Module):
    def __init__(self, d, heads, ffn):
        super().__init__()
        self.heads, self.ffn = heads, ffn
        self.qkv, self.o = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.up, self.down = nn.Linear(d, 2 * ffn, bias=False), nn.Linear(ffn, d, bias=False)
        self.n1, self.n2 = nn.RMSNorm(d, 1e-6), nn.RMSNorm(d, 1e-6)

    def forward(self, x, cos, sin, cache=None, pos=0):
        b, t, d = x.shape
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in self.qkv(self.n1(x)).split(d, -1))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is None:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            cache[0][:b, :, pos:pos + t], cache[1][:b, :, pos:pos + t] = k, v
            y = F.scaled_dot_product_attention(q, cache[0][:b, :, :pos + t], cache[1][:b, :, :pos + t], is_causal=t > 1)
        x = x + self.o(y.transpose(1, 2).reshape(b, t, d))
        g, u = self.up(self.n2(x)).split(self.ffn, -1)
        return x + self.down(F.silu(g) * u)


class Net(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, self.head = c["hidden"], c["hidden"] // c["heads"]
        self.embed = nn.Embedding(VOCAB, d)
        self.blocks = nn.ModuleList(Block(d, c["heads"], c["ffn"]) for _ in range(c["layers"]))
        self.norm = nn.RMSNorm(d, 1e-6)
        f = 10000.0 ** (-torch.arange(0, self.head, 2) / self.head)
        a = torch.outer(torch.arange(PROMPT + ANSWER).float(), f)
        self.register_buffer("cos", a.cos())
        self.register_buffer("sin", a.sin())
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)

    def forward(self, ids, caches=None, pos=0):
        t = ids.shape[1]
        x, cos, sin = self.embed(ids), self.cos[pos:pos + t], self.sin[pos:pos + t]
        for i, b in enumerate(self.blocks):
            x = b(x, cos, sin, None if caches is None else caches[i], pos)
        return F.linear(self.norm(x), self.embed.weight)


def sample(net, prompts, caches):
    with torch.inference_mode():
        logits = net(prompts, caches, 0)[:, -1].repeat_interleave(GROUP, 0)
        for k, v in caches:
            k[:, :, :PROMPT] = k[:GROUPS, :, :PROMPT].repeat_interleave(GROUP, 0)
            v[:, :, :PROMPT] = v[:GROUPS, :, :PROMPT].repeat_interleave(GROUP, 0)
        ids, logprobs = [], []
        for t in range(ANSWER):
            lp = torch.log_softmax(logits, -1)
            nxt = torch.multinomial(lp.exp(), 1)
            ids.append(nxt)
            logprobs.append(lp.gather(1, nxt))
            if t < ANSWER - 1:
                logits = net(nxt, caches, PROMPT + t)[:, -1]
        return torch.cat(ids, 1), torch.cat(logprobs, 1)


def update(net, opt, prompts, ids, micro):
    rewards = (ids[:, 0] % 2 == 0).float().view(GROUPS, GROUP)
    adv = ((rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)).view(-1)
    full = torch.cat((prompts.repeat_interleave(GROUP, 0), ids), 1)
    opt.zero_grad(set_to_none=True)
    for lo in range(0, len(full), micro):
        seq = full[lo:lo + micro]
        logits = net(seq[:, :-1])[:, PROMPT - 1:]
        lp = -F.cross_entropy(logits.reshape(-1, VOCAB), seq[:, PROMPT:].reshape(-1), reduction="none").view(len(seq), ANSWER)
        ratio = (lp - lp.detach()).exp()
        a = adv[lo:lo + micro, None]
        loss = -torch.min(ratio * a, ratio.clamp(0.8, 1.28) * a).sum() / ids.numel()
        loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--size", default="dense")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--micro", type=int, default=64)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    c = SIZES[a.size]
    net = Net(c)
    opt = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True)
    caches = [[torch.zeros(GROUPS * GROUP, c["heads"], PROMPT + ANSWER, net.head) for _ in range(2)] for _ in range(c["layers"])]
    prompts = torch.arange(1, PROMPT + 1).expand(GROUPS, -1).contiguous()
    took = [0.0, 0.0]
    cpu = 0.0
    for step in range(a.steps + 1):
        if step == 1:
            took, cpu = [0.0, 0.0], time.process_time()
        t0 = time.perf_counter()
        ids, _ = sample(net, prompts, caches)
        t1 = time.perf_counter()
        update(net, opt, prompts, ids.clone(), a.micro)
        took[0] += t1 - t0
        took[1] += time.perf_counter() - t1
    n = a.steps * GROUPS * GROUP
    print(json.dumps({"size": a.size, "parameters": sum(p.numel() for p in net.parameters()), "torch": torch.__version__,
                      "answers_per_s": round(n / sum(took), 2), "answers_per_cpu_s": round(n / (time.process_time() - cpu), 2), "sampled_per_s": round(n * ANSWER / took[0]),
                      "learnt_per_s": round(n * (PROMPT + ANSWER - 1) / took[1]),
                      "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


if __name__ == "__main__":
    main()
