#!/usr/bin/env python3
"""Compares the log-probabilities that Ingrain, PEFT and transformers compute with the same adapters and merged folders.

    python3 benchmarks/peers/adapters.py --model DIR [--work DIR]

Needs torch, transformers, peft, safetensors. There are three comparisons: PEFT reads an adapter that `ingrain finetune`
wrote; Ingrain reads an adapter that PEFT wrote (random A and B, rslora and alpha patterns); transformers reads a folder
that `ingrain merge` wrote. All computations are in F32. Prints the largest difference of each comparison. The exit
status is 1 if a difference exceeds the bound.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import peft
import safetensors
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOUND = 2e-3  # largest allowed difference of log-probabilities; the programs add the terms of a sum in different orders
TEXTS = ["Once upon a time, there was a little girl named Lily. She loved to play outside.",
         "The capital of France is Paris, and the capital of Italy is Rome."]


def ingrain(*arguments):
    done = subprocess.run([str(ROOT / "ingrain"), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"ingrain {' '.join(map(str, arguments))}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def ours(model, adapter=None):
    prompts = [word for text in TEXTS for word in ("--prompt", text)]
    extra = ["--adapter", adapter] if adapter else []
    lines = ingrain(
        "generate",
        "--model",
        model,
        "--raw",
        "--dtype",
        "f32",
        "--max-tokens",
        1,
        "--json",
        "--prompt-log-probabilities",
        *prompts,
        *extra,
    ).splitlines()
    return [[math.nan if v is None else v for v in json.loads(line)["prompt_log_probabilities"]] for line in lines]


def ids(model):
    return [list(map(int, ingrain("tokenize", "--model", model, "--bos", text).split())) for text in TEXTS]


def theirs(model, token_ids):
    rows = []
    with torch.no_grad():
        for sequence in token_ids:
            logits = model(torch.tensor([sequence])).logits[0].float().log_softmax(-1)
            rows.append([math.nan] + [logits[i, t].item() for i, t in enumerate(sequence[1:])])
    return rows


def compare(name, a, b):
    pairs = [(x, y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True) if not math.isnan(x)]
    worst = max(abs(x - y) for x, y in pairs)
    print(
        f"{name}: {len(pairs)} tokens, largest difference of a log-probability {worst:.2e} "
        f"({'ok' if worst < BOUND else 'TOO LARGE'})"
    )
    return worst < BOUND


def stored_dtype(path):
    with safetensors.safe_open(next(path.glob("*.safetensors")), "pt") as weights:
        return weights.get_slice("model.norm.weight").get_dtype()


def base_model(path):
    return transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, default=None)
    options = parser.parse_args()
    work = options.work or pathlib.Path(tempfile.mkdtemp(prefix="ingrain-peers-"))
    work.mkdir(parents=True, exist_ok=True)
    token_ids = ids(options.model)
    good = compare("base model", theirs(base_model(options.model), token_ids), ours(options.model))

    data = work / "data.jsonl"
    data.write_text(
        "".join(json.dumps({"prompt": f"Say {i}.", "completion": f"The number is {i * 7}."}) + "\n" for i in range(24))
    )
    made = work / "made-here"
    ingrain(
        "finetune",
        "--model",
        options.model,
        "--data",
        data,
        "--output",
        made,
        "--dtype",
        "f32",
        "--max-steps",
        6,
        "--rank",
        8,
        "--alpha",
        16,
        "--learning-rate",
        0.01,
        "--seed",
        3,
    )
    with_peft = peft.PeftModel.from_pretrained(base_model(options.model), str(made / "adapter")).eval()
    good &= compare(
        "adapter made by Ingrain, in PEFT", theirs(with_peft, token_ids), ours(options.model, made / "adapter")
    )

    torch.manual_seed(1)
    theirs_config = peft.LoraConfig(
        r=6,
        lora_alpha=12,
        target_modules="all-linear",
        use_rslora=True,
        init_lora_weights=False,
        rank_pattern={"down_proj": 3},
        alpha_pattern={"q_proj": 5},
        task_type="CAUSAL_LM",
    )
    made_there = peft.get_peft_model(base_model(options.model), theirs_config).eval()
    for name, parameter in made_there.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.03)
    made_there.save_pretrained(work / "made-there")
    good &= compare(
        "adapter made by PEFT, in Ingrain", theirs(made_there, token_ids), ours(options.model, work / "made-there")
    )

    merged = work / "merged"
    ingrain("merge", "--model", options.model, "--adapter", made / "adapter", "--output", merged)
    in_transformers = theirs(base_model(merged), token_ids)
    good &= compare("merged folder, in transformers", in_transformers, ours(merged))
    if stored_dtype(options.model) == "F32":  # the merge rounds the sums of a BF16 folder to BF16
        good &= compare("merged folder against adapter", ours(options.model, made / "adapter"), in_transformers)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
