"""TRL's GRPO from the same checkpoint, with the same prompts, reward, lengths and settings as grpo.yaml.

    python peer_trl.py --model base/model --prompts prompts.jsonl --steps 20 --threads 2 --seed 1

Prints one JSON line: answers a second of the steps but the first two, and the mean reward of each step.
"""
import argparse
import json
import logging
import os
import statistics
import tempfile
import time
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

p = argparse.ArgumentParser()
p.add_argument("--model", required=True)
p.add_argument("--prompts", required=True)
p.add_argument("--steps", type=int, default=20)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--seed", type=int, default=1)
p.add_argument("--tokens", type=int, default=64)
a = p.parse_args()
torch.set_num_threads(a.threads)

rewards, marks = [], []


def reward(completions, **_):
    got = [sum(c < "n" for c in text) / max(1, len(text)) for text in completions]
    rewards.append(sum(got) / len(got))
    return got


class Clock(TrainerCallback):
    def on_step_end(self, *_, **__):
        marks.append(time.perf_counter())


tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(a.model, "tokenizer.json"), eos_token="<end>", pad_token="<end>")
model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32)
with tempfile.TemporaryDirectory() as out:
    config = GRPOConfig(
        output_dir=out, use_cpu=True, bf16=False, seed=a.seed, max_steps=a.steps, per_device_train_batch_size=64, num_generations=8,
        max_completion_length=a.tokens, generation_kwargs={"min_new_tokens": a.tokens}, learning_rate=5e-4, lr_scheduler_type="constant",
        weight_decay=0.0, max_grad_norm=1.0, adam_beta2=0.999, beta=0.0, loss_type="grpo", scale_rewards="group", epsilon=0.2, temperature=1.0,
        gradient_checkpointing=False, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, dataloader_num_workers=0)
    prompts = Dataset.from_list([{"prompt": json.loads(line)["prompt"]} for line in open(a.prompts)])
    trainer = GRPOTrainer(model=model, reward_funcs=reward, args=config, train_dataset=prompts, processing_class=tokenizer, callbacks=[Clock()])
    trainer.train()

took = [b - a for a, b in zip(marks[1:], marks[2:])]
print(json.dumps({"mode": "trl", "parameters": sum(q.numel() for q in model.parameters()), "torch": torch.__version__,
                  "answers_per_s": round(64 / statistics.median(took), 2) if took else 0, "rewards": [round(r, 4) for r in rewards]}))
