#!/usr/bin/env python3
"""Compares the quality of quantized weights with that of the model's own weights, by `ingrain generate`.

    python3 benchmarks/peers/quality.py --model DIR --prompts FILE [--wrap TEXT] [--dtypes bf16,int8,int4]

--prompts has one prompt per line, or is a .jsonl file whose rows have the field question. --wrap is a text whose {} is
replaced by the prompt, such as the turns of a chat; without it the prompt itself is continued. The first type is the
reference. With this type, each prompt is continued at temperature 1 by up to --tokens tokens. For each type the program
prints, as a Markdown table:

- perplexity of these texts;
- KL: the mean difference between the reference's and the type's log-probabilities of these texts, which estimates the
  Kullback-Leibler divergence per token;
- same choice: the share of positions in these texts at which the reference and the type have the same most probable
  token;
- greedy: the share of greedy continuations that equal the reference's, and the mean number of tokens before the first
  difference (or the end).
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def generate(options, dtype, prompts, *flags):
    """Returns the completions of the prompts, without a chat template, in the order of the prompts."""
    with tempfile.TemporaryDirectory() as folder:
        file, output = pathlib.Path(folder) / "prompts.jsonl", pathlib.Path(folder) / "out.jsonl"
        file.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
        command = [options.ingrain, "generate", "--model", options.model, "--dtype", dtype, "--raw", "--json",
                   "--prompts", file, "--output", output, *flags]
        done = subprocess.run(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return [json.loads(line) for line in output.read_text().splitlines()]


def score(options, dtype, texts, starts):
    """Returns the log-probability and the most probable token at each position of each text, beginning at the text's
    `start`."""
    found = generate(options, dtype, texts, "--max-tokens", 1, "--prompt-log-probabilities", "--top-tokens", 1)
    return [(row["prompt_log_probabilities"][i], row["prompt_top_tokens"][i][0]["id"])
            for row, start in zip(found, starts) for i in range(start, len(row["prompt_log_probabilities"]))]


def common(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--prompts", type=pathlib.Path, required=True)
    parser.add_argument("--wrap", default="{}")
    parser.add_argument("--ingrain", type=pathlib.Path, default=ROOT / "ingrain")
    parser.add_argument("--dtypes", default="bf16,int8,int4")
    parser.add_argument("--rows", type=int, default=64, help="number of prompts")
    parser.add_argument("--tokens", type=int, default=64, help="longest continuation")
    options = parser.parse_args()
    dtypes = options.dtypes.split(",")
    lines = options.prompts.read_text().splitlines()[: options.rows]
    prompts = [json.loads(line)["question"] if options.prompts.suffix == ".jsonl" else line for line in lines]
    prompts = [options.wrap.replace("\\n", "\n").replace("{}", prompt) for prompt in prompts]
    drawn = generate(options, dtypes[0], prompts, "--temperature", 1, "--max-tokens", options.tokens,
                     "--prompt-log-probabilities")
    texts = [prompt + row["text"] for prompt, row in zip(prompts, drawn)]
    starts = [len(row["prompt_log_probabilities"]) for row in drawn]
    reference = choices = None
    for dtype in dtypes:
        own = score(options, dtype, texts, starts)
        greedy = [row["ids"] for row in generate(options, dtype, prompts, "--max-tokens", options.tokens)]
        if reference is None:
            reference, choices = own, greedy
            print(f"{options.model.name}: {len(prompts)} prompts of {options.prompts.name}, {len(own)} tokens drawn, "
                  f"{sum(map(len, greedy)) / len(greedy):.1f} tokens per greedy continuation\n")
            print("| dtype | perplexity | KL per token | same choice | greedy: equal | tokens before a difference |")
            print("| --- | ---: | ---: | ---: | ---: | ---: |")
        perplexity = math.exp(-sum(p for p, _ in own) / len(own))
        divergence = sum(a[0] - b[0] for a, b in zip(reference, own)) / len(own)
        same = sum(a[1] == b[1] for a, b in zip(reference, own)) / len(own)
        equal = sum(a == b for a, b in zip(choices, greedy)) / len(greedy)
        before = sum(map(common, choices, greedy)) / len(greedy)
        print(f"| {dtype} | {perplexity:.3f} | {divergence:.5f} | {100 * same:.2f} % | {100 * equal:.0f} % "
              f"| {before:.1f} |", flush=True)


if __name__ == "__main__":
    main()
