"""Writes masks.jsonl: ids and assistant masks that transformers gives for chat templates with {% generation %} blocks.

usage: PENNY_DATA=... python masks.py > masks.jsonl   (made with transformers 5.23.0, tokenizers 0.23.3)
"""
import datetime, glob, gzip, json, os
import transformers.utils.chat_template_utils as utils
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast



class Fixed(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 2)


utils.datetime = Fixed  # templates print the date
data = os.environ["PENNY_DATA"]
call = {"type": "function", "function": {"name": "add", "arguments": {"a": 2, "b": 3}}}
conversations = {
    "two turns": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 2+3?"},
        {"role": "assistant", "content": "It is 5."},
        {"role": "user", "content": "And żółć?\n"},
        {"role": "assistant", "content": "\nBile, in Polish."},
    ],
    "tool": [
        {"role": "user", "content": "Add 2 and 3."},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "5"},
        {"role": "assistant", "content": "The sum is 5."},
    ],
    "reasoning": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "<think>\ngreet\n</think>\n\nHello!"},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "<think>\npart\n</think>\n\nBye!"},
    ],
}
backend = Tokenizer.from_str(gzip.open(f"{data}/goldens/tokenizers/qwen2/tokenizer.json.gz").read().decode())
tok = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>")
for path in sorted(glob.glob(f"{data}/templates/trl/*_training.jinja")):
    for name, messages in conversations.items():
        try:
            out = tok.apply_chat_template(messages, chat_template=open(path).read(), tokenize=True, return_dict=True, return_assistant_tokens_mask=True,
                                          bos_token="<s>")
        except Exception:
            continue
        print(json.dumps({"template": os.path.basename(path), "name": name, "messages": messages, "ids": out["input_ids"], "mask": out["assistant_masks"]},
                         ensure_ascii=False))
