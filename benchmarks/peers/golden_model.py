"""Rounds a model to BF16 and records results that transformers computes with the rounded model in F32: the greedy text
after BOS, and the ids of this text with their log-probabilities.

    python benchmarks/peers/golden_model.py MODEL OUTPUT

Writes to the folder OUTPUT: the model's files, model.safetensors rounded to BF16, and golden.json. Needs torch,
transformers, safetensors.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

TOKENS = 255


def main():
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    weights = {name: w.to(torch.bfloat16) for name, w in load_file(source / "model.safetensors").items()}
    save_file(weights, target / "model.safetensors", {"format": "pt"})
    for file in source.iterdir():
        if file.name != "model.safetensors":
            shutil.copyfile(file, target / file.name)
    ends = json.loads((source / "generation_config.json").read_text())["eos_token_id"]
    ends = ends if isinstance(ends, list) else [ends]
    model = transformers.AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval()
    with torch.no_grad():
        ids = model.generate(
            torch.tensor([[1]]),
            attention_mask=torch.ones(1, 1, dtype=torch.long),
            do_sample=False,
            max_new_tokens=TOKENS,
            eos_token_id=ends,
            pad_token_id=0,
        )
        logits = model(ids).logits[0, :-1]
        log_probabilities = logits.log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    best = logits.topk(2, -1).values
    # The smallest distance between the best and the second-best logit. If it is small, other rounding may swap the two.
    margin = (best[:, 0] - best[:, 1]).min().item()
    (target / "golden.json").write_text(
        json.dumps(
            {
                "versions": {m.__name__: m.__version__ for m in (torch, transformers)},
                "prompt": [1],
                "ids": ids[0, 1:].tolist(),
                "log_probabilities": log_probabilities.tolist(),
                "smallest_margin": margin,
            }
        )
        + "\n"
    )
    print(f"{target}: {ids.shape[1] - 1} tokens, smallest margin {margin:.3g}")


if __name__ == "__main__":
    main()
