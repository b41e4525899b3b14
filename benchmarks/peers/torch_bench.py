#!/usr/bin/env python3
"""Compares `ingrain bench` with transformers and PEFT on the same CPU in one run, and prints the ratios.

    python3 benchmarks/peers/torch_bench.py --model DIR|config.json [--random-weights] [--prompt-tokens 512]
    [--generate-tokens 64] ...

Both programs run the same tests, one after another, with all cores and weights of one dtype: prefill of a prompt,
decoding from one token (with transformers: greedy generate with a cache and without an end token), decoding n samples
of a prompt, and one LoRA training step (rank 16, all linear layers, AdamW). transformers is used without changes, as
eager PyTorch with fused attention. --isa avx2 limits Ingrain to AVX2. The environment variables
ATEN_CPU_CAPABILITY=avx2, MKL_ENABLE_INSTRUCTIONS=AVX2 and ONEDNN_MAX_CPU_ISA=AVX2 limit PyTorch to AVX2.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

import peft
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]


def timed(repetitions, work):
    work()
    times = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.mean(times)


def load(path, random_weights, dtype):
    if not random_weights:
        return transformers.AutoModelForCausalLM.from_pretrained(path, dtype=dtype).eval()
    config = transformers.LlamaConfig(
        **{k: v for k, v in json.loads(path.read_text()).items() if k not in ("architectures", "torch_dtype")}
    )
    with torch.no_grad():
        return transformers.LlamaForCausalLM(config).to(dtype).eval()


def generate(model, prompt, tokens, samples):
    return model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        min_new_tokens=tokens,
        max_new_tokens=tokens,
        do_sample=samples > 1,
        num_return_sequences=samples,
        pad_token_id=0,
    )


def theirs(model, test, options):
    vocabulary = model.config.vocab_size
    prompt = [(i * 2654435761 + 12345) % vocabulary for i in range(max(test["n_prompt"], 1))]
    name = test["test"]
    if name.startswith("train"):
        tuned = peft.get_peft_model(
            model, peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
        ).train()
        optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-4)
        ids = torch.tensor([prompt])

        def step():
            optimizer.zero_grad()
            tuned(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()

        return len(prompt) / timed(options.repetitions, step)
    with torch.no_grad():
        if test["n_gen"] == 0:
            ids = torch.tensor([prompt])
            return len(prompt) / timed(options.repetitions, lambda: model(ids, logits_to_keep=1))
        samples = int(name.rsplit("x", 1)[1]) if "x" in name else 1
        return test["n_gen"] / timed(
            options.repetitions, lambda: generate(model, prompt, test["n_gen"] // samples, samples)
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--random-weights", action="store_true")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--isa", default="auto")
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--generate-tokens", type=int, default=64)
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--train-tokens", type=int, default=512)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    command = [
        ROOT / "ingrain",
        "bench",
        "--json",
        "--model",
        options.model,
        "--dtype",
        options.dtype,
        "--isa",
        options.isa,
        "--prompt-tokens",
        options.prompt_tokens,
        "--generate-tokens",
        options.generate_tokens,
        "--n",
        options.n,
        "--train-tokens",
        options.train_tokens,
        "--repetitions",
        options.repetitions,
    ] + (["--random-weights"] if options.random_weights else [])
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.returncode)
    ours = json.loads(done.stdout)
    model = load(options.model, options.random_weights, torch.float32 if options.dtype == "f32" else torch.bfloat16)
    print(f"{ours[0]['model_type']}, {options.dtype}, {ours[0]['backends']}, {torch.get_num_threads()} threads; "
          f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}\n")
    print("| test | ingrain t/s | transformers t/s | ratio |\n| --- | ---: | ---: | ---: |")
    for test in ours:
        there = theirs(model, test, options)
        print(
            f"| {test['test']} | {test['avg_ts']:.1f} ± {test['stddev_ts']:.1f} | {there:.1f} "
            f"| {test['avg_ts'] / there:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
