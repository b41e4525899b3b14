#!/usr/bin/env python3
"""Compares the quality of quantized weights with the model's own weights, with `ingrain generate`.

    python3 benchmarks/peers/quality.py --model DIR --text FILE [--dtypes bf16,int8,int4]

The first type is the reference. For each type the program prints, as a Markdown table:

- perplexity of the rows of --text (lines, or .jsonl rows with the field text, prompt or question), whose first --tokens
  tokens count;
- KL: the reference continues the beginning of each row at temperature 1; the mean difference of the log-probabilities
  of these texts to those of the reference is an estimate of the Kullback-Leibler divergence per token;
- same choice: the share of positions of these texts at which the most probable token is that of the reference;
- greedy: greedy continuations of the beginnings by --greedy-tokens tokens: the share that equals the reference's, and
  the mean number of tokens before the first difference.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def rows(options):
    """The texts of --text, cut to about --tokens tokens (a token has less than 8 characters on average)."""
    lines = options.text.read_text().splitlines()
    if options.text.suffix == ".jsonl":
        texts = [json.loads(line) for line in lines]
        lines = [next(row[name] for name in ("text", "prompt", "question") if name in row) for row in texts]
    return [line[: 8 * options.tokens] for line in lines if line.strip()][: options.rows]


def generate(options, dtype, prompts, *flags):
    """Completions of the prompts, without a chat template, in the prompts' order."""
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
    """Log-probability and most probable token of up to --tokens positions of each text, from position `start` on."""
    found = generate(options, dtype, texts, "--max-tokens", 1, "--prompt-log-probabilities", "--top-tokens", 1)
    return [(row["prompt_log_probabilities"][i], row["prompt_top_tokens"][i][0]["id"])
            for row, start in zip(found, starts)
            for i in range(start, min(start + options.tokens, len(row["prompt_log_probabilities"])))]


def common(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--ingrain", type=pathlib.Path, default=ROOT / "ingrain")
    parser.add_argument("--dtypes", default="bf16,int8,int4")
    parser.add_argument("--rows", type=int, default=64, help="rows of --text")
    parser.add_argument("--tokens", type=int, default=128, help="tokens of a text that count")
    parser.add_argument("--greedy-tokens", type=int, default=32)
    options = parser.parse_args()
    dtypes = options.dtypes.split(",")
    texts = rows(options)
    beginnings = [text[: len(text) // 3] for text in texts]
    drawn = generate(options, dtypes[0], beginnings, "--temperature", 1, "--max-tokens", options.tokens,
                     "--prompt-log-probabilities")
    continued = [beginning + row["text"] for beginning, row in zip(beginnings, drawn)]
    starts = [len(row["prompt_log_probabilities"]) for row in drawn]
    print(f"{options.model.name}: {len(texts)} texts of {options.text.name}\n")
    print("| dtype | perplexity | KL per token | same choice | greedy: equal | tokens before a difference |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for dtype in dtypes:
        real = score(options, dtype, texts, [1] * len(texts))
        own = score(options, dtype, continued, starts)
        greedy = [row["ids"] for row in generate(options, dtype, beginnings, "--max-tokens", options.greedy_tokens)]
        if dtype == dtypes[0]:
            reference, choices = own, greedy
        divergence = sum(a[0] - b[0] for a, b in zip(reference, own)) / len(own)
        same = sum(a[1] == b[1] for a, b in zip(reference, own)) / len(own)
        equal = sum(a == b for a, b in zip(choices, greedy)) / len(greedy)
        before = sum(map(common, choices, greedy)) / len(greedy)
        perplexity = math.exp(-sum(p for p, _ in real) / len(real))
        print(f"| {dtype} | {perplexity:.3f} | {divergence:.5f} | {100 * same:.2f} % | {100 * equal:.0f} % "
              f"| {before:.1f} |", flush=True)


if __name__ == "__main__":
    main()
