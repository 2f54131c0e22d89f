"""The logits of every network below a folder, as transformers computes them in float32: one JSON object, by name.

    python logits.py FOLDER TOKENS
"""
import json
import os
import sys

import torch
import transformers

transformers.logging.set_verbosity_error()
root, n = sys.argv[1], int(sys.argv[2])
out = {}
for name in sorted(os.listdir(root)):
    path = os.path.join(root, name)
    net, info = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    missing = {k for k in info["missing_keys"] if net.state_dict()[k].numel() > 0}  # shared experts of width 0 have weights there
    assert not missing, (name, info)
    ahead = f"model.layers.{net.config.num_hidden_layers}."
    assert all(k.startswith(ahead) for k in info["unexpected_keys"]), (name, info)
    ids = torch.tensor([[i * i * 7 % net.config.vocab_size for i in range(n)]])
    with torch.no_grad():
        out[name] = net.eval()(input_ids=ids, use_cache=False).logits[0].flatten().tolist()
json.dump(out, sys.stdout)
