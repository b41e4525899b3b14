#!/usr/bin/env python3
"""Compares Ingrain on a CPU with llama.cpp, transformers and PEFT, on the same weights in one run. Prints tables.

    python3 benchmarks/peers/cpu.py --model DIR [--llama BIN --bf16 F.gguf --q8 F.gguf --q4 F.gguf] [--output FILE.md]

--llama is the folder that contains llama-bench, llama-batched-bench, llama-completion and llama-server. The GGUF files
hold the weights of --model as BF16, Q8_0 and Q4_0. Ingrain quantizes the weights of --model to int8 and int4 when it
loads them. transformers and PEFT are used if this Python can import them. If a peer is missing, the tables contain
`skipped`. In each of the --rounds rounds, the programs run one after another, so that other load on the machine affects
all of them.

The tables show the median and the range of the rounds, and the ratio of Ingrain's median to that of each peer. In the
rows with memory and start-up time, a lower ratio is better. The last column of some tables is Ingrain's rate as a share
of the limit of the machine. The limit of decoding is the bandwidth of reads; the limit of prefill is the peak rate of
dot products. cpu_limits.c measures both in each round. If the CPU has no dot product of a type, the peak rate of f32 is
used.
"""

import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.util import find_spec

HERE = pathlib.Path(__file__).resolve().parent


def run(command):
    """Runs a command; returns its standard output, its seconds and its peak resident memory in MiB."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([str(part) for part in command], stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: exit status {process.returncode}")
        out.seek(0)
        return out.read(), seconds, usage.ru_maxrss / 1024


def sampled(length, tokens, samples):
    return f"pp{length}+tg{tokens}x{samples}"


# This is the sampling stage: samples of several prompts of about 24 tokens. Its time includes the start of the process.
STAGE = {"prompts": 10, "samples": 8, "tokens": 48}
STAGE_TOKENS = STAGE["prompts"] * STAGE["samples"] * STAGE["tokens"]
STAGE_TEST = "{prompts} prompts x {samples} samples x {tokens} tokens".format(**STAGE)


def stage_prompts():
    return [f"Once upon a time there was a girl with {i + 2} dogs. Every day she went to the park with one of them and"
            for i in range(STAGE["prompts"])]


class Ingrain:
    def __init__(self, options, dtype):
        self.options, self.dtype, self.name = options, dtype, f"Ingrain {dtype}"

    def bench(self, *flags):
        o = self.options
        text, _, rss = run([o.ingrain, "bench", "--json", "--model", o.model, "--dtype", self.dtype, "--threads",
                            o.threads, "--repetitions", 1, *flags])
        return {row["test"]: row["avg_ts"] for row in json.loads(text)}, rss

    def sampling(self):
        o = self.options
        rows, rss = self.bench("--prompt-tokens", ",".join(map(str, o.prompt_tokens)), "--generate-tokens",
                               o.generate_tokens, "--n", ",".join(map(str, o.n)), "--train-tokens", 0)
        return {**rows, "memory, sampling (MiB)": rss}

    def training(self):
        rows, rss = self.bench("--prompt-tokens", 0, "--generate-tokens", 0, "--train-tokens",
                               self.options.train_tokens)
        return {**rows, "memory, LoRA (MiB)": rss}

    def start(self):
        o = self.options
        _, seconds, rss = run([o.ingrain, "generate", "--model", o.model, "--dtype", self.dtype, "--threads", o.threads,
                               "--raw", "--prompt", "Once", "--max-tokens", 1])
        return {"start, one token (s)": seconds, "memory, one token (MiB)": rss}

    def stage(self):
        o = self.options
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as prompts:
            prompts.write("\n".join(stage_prompts()) + "\n")
            prompts.flush()
            _, seconds, rss = run([o.ingrain, "generate", "--model", o.model, "--dtype", self.dtype, "--threads",
                                   o.threads, "--raw", "--prompts", prompts.name, "--n", STAGE["samples"],
                                   "--max-tokens", STAGE["tokens"], "--temperature", 1, "--ignore-eos"])
        return {STAGE_TEST: STAGE_TOKENS / seconds, "memory, stage (MiB)": rss}

    def scale(self):
        o, samples = self.options, (8, 32, 128)
        lengths = [256, 512, 1024, 2048]
        rows, _ = self.bench("--prompt-tokens", ",".join(map(str, lengths)), "--generate-tokens", o.generate_tokens,
                             "--n", ",".join(map(str, samples)), "--train-tokens", 0)
        prefill = {f"prefill, {n} tokens": n / rows[f"pp{n}"] for n in lengths}
        first = prefill[f"prefill, {lengths[0]} tokens"]
        tokens = o.generate_tokens
        decode = {f"decode, {n} samples": n * tokens / rows[sampled(lengths[0], tokens, n)] - first for n in samples}
        return {**prefill, **decode}


class Llama:
    def __init__(self, options, file):
        self.options, self.file, self.name = options, file, f"llama.cpp {file.stem}"

    def sampling(self):
        o = self.options
        text, _, _ = run([o.llama / "llama-bench", "-m", self.file, "-t", o.threads, "-r", 1, "-o", "json", "-p",
                          ",".join(map(str, o.prompt_tokens)), "-n", o.generate_tokens])
        rows = {f"pp{row['n_prompt']}" if row["n_prompt"] else f"tg{row['n_gen']}": row["avg_ts"]
                for row in json.loads(text)}
        length, tokens = o.prompt_tokens[0], o.generate_tokens
        text, _, rss = run([o.llama / "llama-batched-bench", "-m", self.file, "-t", o.threads, "-c",
                            length + max(o.n) * (tokens + 16), "-npp", length, "-ntg", tokens, "-kvu", "-npl",
                            ",".join(map(str, o.n)), "-pps", "--output-format", "jsonl"])
        for line in text.splitlines():
            if line.startswith("{"):
                row = json.loads(line)
                rows[sampled(length, tokens, row["pl"])] = row["pl"] * row["tg"] / (row["t_pp"] + row["t_tg"])
        return {**rows, "memory, sampling (MiB)": rss}

    def start(self):
        o = self.options
        _, seconds, rss = run([o.llama / "llama-completion", "-m", self.file, "-t", o.threads, "-p", "Once", "-n", 1,
                               "-no-cnv", "--no-warmup"])
        return {"start, one token (s)": seconds, "memory, one token (MiB)": rss}

    def stage(self):
        o, slots = self.options, 32
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        start = time.perf_counter()
        server = subprocess.Popen([o.llama / "llama-server", "-m", self.file, "-t", str(o.threads), "-np", str(slots),
                                   "-c", str(slots * 128), "--host", "127.0.0.1", "--port", str(port)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def post(prompt):
            body = {"prompt": prompt, "n_predict": STAGE["tokens"], "ignore_eos": True, "temperature": 1}
            request = urllib.request.Request(f"http://127.0.0.1:{port}/completion", json.dumps(body).encode(),
                                             {"Content-Type": "application/json"})
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)["tokens_predicted"]

        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health").close()
                    break
                except OSError:
                    if server.poll() is not None:
                        sys.exit(f"llama-server: exit status {server.returncode}")
                    time.sleep(0.05)
            with concurrent.futures.ThreadPoolExecutor(slots) as pool:
                tokens = sum(pool.map(post, [prompt for prompt in stage_prompts() for _ in range(STAGE["samples"])]))
            return {STAGE_TEST: tokens / (time.perf_counter() - start)}
        finally:
            server.terminate()
            server.wait()


class Torch:
    """Measures transformers and PEFT, which run in a separate process."""

    def __init__(self, options, dtype):
        self.options, self.dtype, self.name = options, dtype, f"transformers {dtype}"

    def measured(self, test, memory):
        o = self.options
        text, seconds, rss = run([sys.executable, HERE / "cpu_torch.py", test, o.model, self.dtype, o.threads,
                                  json.dumps({"prompts": o.prompt_tokens, "tokens": o.generate_tokens, "n": o.n,
                                              "train": o.train_tokens, "stage": STAGE})])
        return {**json.loads(text.splitlines()[-1]), memory: rss}, seconds

    def sampling(self):
        return self.measured("sampling", "memory, sampling (MiB)")[0]

    def training(self):
        return self.measured("training", "memory, LoRA (MiB)")[0]

    def stage(self):
        rows, seconds = self.measured("stage", "memory, stage (MiB)")
        return {**rows, STAGE_TEST: STAGE_TOKENS / seconds}

    def start(self):
        rows, seconds = self.measured("start", "memory, one token (MiB)")
        return {**rows, "start, one token (s)": seconds}


def limits(options, folder):
    """Returns the limits of the machine, measured by a program that is compiled for this CPU."""
    program = folder / "cpu_limits"
    if not program.exists():
        subprocess.run(["cc", "-O3", "-march=native", "-pthread", HERE / "cpu_limits.c", "-o", program], check=True)
    return json.loads(run([program, options.threads])[0])


def sizes(config):
    """Returns the numbers of elements: of the layers' matrices, and of the head."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    keys = config.get("num_key_value_heads") or heads
    width = config.get("head_dim") or hidden // heads
    layer = hidden * (2 * heads * width + 2 * keys * width + 3 * config["intermediate_size"])
    return config["num_hidden_layers"] * layer, config["vocab_size"] * hidden


def limit(test, dtype, config, peaks):
    """Returns the tokens per second that the machine's limits allow in decoding and prefill; None for other tests."""
    layers, head = sizes(config)
    group = 2 / 32  # one scale of two bytes per 32 columns
    per = {"f32": (4, 4), "bf16": (2, 2), "int8": (1 + group,) * 2, "int4": (0.5 + group, 1 + group)}[dtype]
    if test.startswith("tg"):
        return peaks["reads"] * 1e9 / (layers * per[0] + head * per[1])
    if test.startswith("pp") and "+" not in test:
        peak = peaks.get({"int4": "int8"}.get(dtype, dtype), peaks["f32"])
        attention = 2 * config["num_hidden_layers"] * config["hidden_size"] * int(test[2:])  # mean over the prompt
        return peak * 1e9 / (2 * layers + attention)
    return None


def cell(values):
    if not values:
        return "skipped"
    text = [f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in (statistics.median(values), min(values),
                                                                            max(values))]
    return f"{text[0]} [{text[1]}..{text[2]}]" if len(values) > 1 else text[0]


def table(title, ours, peers, results, shares):
    lines = [f"## {title}\n", "| test | " + " | ".join([ours.name] + [f"{name} | ratio" for name, _ in peers])
             + (" | share of limit |" if shares else " |")]
    lines.append("| --- |" + " ---: |" * (1 + 2 * len(peers) + bool(shares)))
    for test in results[ours.name]:
        own = results[ours.name][test]
        row = [test, cell(own)]
        for _, peer in peers:
            other = results.get(peer.name, {}).get(test) if peer else None
            row += [cell(other), f"{statistics.median(own) / statistics.median(other):.2f}" if other else ""]
        if shares:
            row.append(f"{100 * statistics.median(shares[test]):.0f} %" if shares.get(test) else "")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def scale_table(title, rows):
    """Each row has the seconds and an exponent p. p is computed from this row and the previous row such that seconds
    is proportional to size^p."""
    lines = [f"## {title}\n", "| test | seconds | exponent |", "| --- | ---: | ---: |"]
    before = None
    for test, values in rows.items():
        kind, size = test.split(", ")
        now = (kind, int(size.split()[0]), statistics.median(values))
        exponent = ""
        if before and before[0] == kind:
            exponent = f"{math.log(now[2] / before[2]) / math.log(now[1] / before[1]):.2f}"
        lines.append(f"| {test} | {cell(values)} | {exponent} |")
        before = now
    return "\n".join(lines) + "\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--ingrain", type=pathlib.Path, default=HERE.parents[1] / "ingrain")
    parser.add_argument("--llama", type=pathlib.Path)
    for file in "bf16", "q8", "q4":
        parser.add_argument(f"--{file}", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    numbers = {"type": lambda text: [int(part) for part in text.split(",")]}
    parser.add_argument("--prompt-tokens", default=[512, 2048], **numbers)
    parser.add_argument("--n", default=[8, 40, 128], **numbers)
    parser.add_argument("--generate-tokens", type=int, default=64)
    parser.add_argument("--train-tokens", type=int, default=512)
    parser.add_argument("--tables", default="bf16,int8,int4,lora,stage,scale,start",
                        help="which of the tables bf16, int8, int4, lora, stage, scale and start to measure")
    parser.add_argument("--output", type=pathlib.Path)
    return parser.parse_args()


def plan(options):
    """Yields the tables: title, Ingrain, its peers (None if missing) and the method that measures them."""
    torch = all(map(find_spec, ("torch", "transformers", "peft")))

    def llama(file, name):
        return (name, Llama(options, file) if options.llama and file else None)

    def python(dtype, name="transformers"):
        return (name, Torch(options, dtype) if torch else None)

    beside = {"bf16": [llama(options.bf16, "llama.cpp BF16"), python("bf16")],
              "int8": [llama(options.q8, "llama.cpp Q8_0")], "int4": [llama(options.q4, "llama.cpp Q4_0")]}
    for dtype, peers in beside.items():
        if dtype in options.tables.split(","):
            yield f"Sampling, {dtype} (tokens/s)", Ingrain(options, dtype), peers, "sampling"
    if "lora" in options.tables.split(","):
        for dtype in "bf16", "f32", "int8":
            yield (f"LoRA, {dtype} (tokens/s)", Ingrain(options, dtype),
                   [python("f32" if dtype == "f32" else "bf16", "PEFT")], "training")
    if "stage" in options.tables.split(","):
        yield "Sampling stage, bf16 (tokens/s)", Ingrain(options, "bf16"), beside["bf16"], "stage"
    if "scale" in options.tables.split(","):
        yield "Scale, bf16", Ingrain(options, "bf16"), [], "scale"
    if "start" in options.tables.split(","):
        for dtype, peers in beside.items():
            yield f"Start and memory, {dtype} (lower is better)", Ingrain(options, dtype), peers, "start"


def main():
    options = arguments()
    config = json.loads((options.model / "config.json").read_text())
    tables = list(plan(options))
    results = {title: {} for title, *_ in tables}
    shares = {title: {} for title, *_ in tables}
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            peaks.append(limits(options, pathlib.Path(folder)))
            for title, ours, peers, measure in tables:
                for program in [ours] + [peer for _, peer in peers if peer]:
                    for test, value in getattr(program, measure)().items():
                        results[title].setdefault(program.name, {}).setdefault(test, []).append(value)
                        bound = limit(test, ours.dtype, config, peaks[-1])
                        if program is ours and bound:
                            shares[title].setdefault(test, []).append(value / bound)
    found = "; ".join(f"{name} {cell([peak[name] for peak in peaks])}" for name in peaks[0])
    text = [f"{options.model.name}, {options.threads} threads, {options.rounds} rounds. Limits: {found} "
            "(reads in GB/s, dot products in G operations/s).\n"]
    text += [scale_table(title, results[title][ours.name]) if measure == "scale"
             else table(title, ours, peers, results[title], shares[title]) for title, ours, peers, measure in tables]
    if options.output:
        options.output.write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
