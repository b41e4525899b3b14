"""How fast: `ingrain bench` beside PyTorch on the same GPU in the same run, as ratios and shares of the ceilings measured in it."""
import collections
import csv
import json
import sys

BATCHES = (1, 8, 40)
PROMPT, ANSWER = 512, 128


def shape(bundle, name):
    return json.loads((bundle.ingrain / "models" / f"{name}.json").read_text())


def layers(bundle, config, bytes_per_weight, reserve):
    """As many layers as the GPU's memory holds beside `reserve` bytes."""
    if bundle.options.layers:
        return min(bundle.options.layers, config["num_hidden_layers"])
    if bundle.dry:
        return 1
    hidden, kv = config["hidden_size"], config["num_key_value_heads"] * config["head_dim"]
    layer = (2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * config["intermediate_size"]) * bytes_per_weight
    tables = 4 * config["vocab_size"] * hidden
    return min(config["num_hidden_layers"], int((bundle.memory() * 0.97 - tables - reserve) / layer))


def peers(bundle, name, count, tests, *more):
    """PyTorch's rows by (test, who)."""
    output = bundle.out / f"{bundle.part}-{name}-torch.json"
    command = [sys.executable, bundle.home / "peers/gpu_bench.py", "--output", output, "--tests", tests]
    command += ["--tiny", "--device", "cpu"] if bundle.dry else ["--config", bundle.ingrain / "models" / f"{name}.json", "--layers", count, *more]
    bundle.run(command)
    return {(row["test"], row["by"]): row for row in json.loads(output.read_text())["rows"]}


def ours(bundle, name, count, *arguments, dtype="auto"):
    if bundle.dry:
        return bundle.bench("--model", bundle.kit / "models/stories15M", "--repetitions", 1, *arguments)
    return bundle.bench("--model", bundle.ingrain / "models" / f"{name}.json", "--random-weights", "--layers", count, "--dtype", dtype, *arguments)


def each_model(bundle, rows_of):
    """Rows of every model; one that fails, or has no time left, is a row too, and keeps those before it."""
    rows = []
    for name in bundle.options.model[:1] if bundle.dry else bundle.options.model:
        try:
            rows += rows_of(name)
        except (RuntimeError, TimeoutError, KeyError) as e:
            rows.append({"test": name, "result": "FAILED", "why": f"{type(e).__name__}: {e}"})
    return rows


def title(bundle, name, dtype, test):
    """A dry run has one small model for all shapes."""
    return f"stories15M, {test}" if bundle.dry else f"{name} {dtype}, {test}"


def weight_bytes(config, count, bytes_per_weight):
    """Of one decode step: every weight once, head included, the embedding's rows apart."""
    hidden, kv = config["hidden_size"], config["num_key_value_heads"] * config["head_dim"]
    layer = 2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * config["intermediate_size"]
    return count * layer * bytes_per_weight + config["vocab_size"] * hidden * 2


def flops(config, count, tokens, passes):
    """Of matrix products; 1 pass forward, 2 for a LoRA step, whose frozen weights have no gradient, 3 with recomputation."""
    hidden, kv = config["hidden_size"], config["num_key_value_heads"] * config["head_dim"]
    layer = 2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * config["intermediate_size"]
    return 2 * passes * tokens * count * layer


def ratio_rows(test, mine, theirs, others, ceiling=None):
    """One row: ours in tokens/s, each other's, the ratio to the best, and the share of the ceiling's tokens/s."""
    row = {"test": test, "ingrain tokens/s": mine}
    for who in others:
        reason = next((found["error"][:80] for (_, by), found in theirs.items() if by == who and "error" in found), None)
        row[f"{who} tokens/s"] = theirs.get((test.split(", ", 1)[1], who), {}).get("tokens_per_second", reason)
    best = max((row[f"{who} tokens/s"] for who in others if isinstance(row[f"{who} tokens/s"], float)), default=None)
    row["ratio to the best"] = mine / best if best else None
    row["ceiling tokens/s"] = ceiling
    row["share of ceiling"] = mine / ceiling if ceiling else None
    return row


def decode_rows(bundle, name, dtype):
    config, width = shape(bundle, name), 1 if dtype == "fp8" else 2
    count = layers(bundle, config, width, 7e9)
    more = ["--fp8"] if dtype == "fp8" else []
    theirs = peers(bundle, name, count, "ceilings,decode" + ("" if more else ",transformers"), *more)
    prompt, answer, batches = (32, 16, (1, 2)) if bundle.dry else (PROMPT, ANSWER, BATCHES)
    mine = ours(bundle, name, count, "--prompt-tokens", prompt, "--generate-tokens", answer, "--n", ",".join(map(str, batches)), "--train-tokens", 0,
                dtype=dtype)
    copy = theirs["copy", "torch"]["bytes_per_second"]
    rows = []
    for batch in batches:
        whole = mine[f"pp{prompt}+tg{answer}x{batch}"]
        seconds = (whole["avg_ns"] - mine[f"pp{prompt}"]["avg_ns"]) / 1e9
        kv = 4 * count * config["num_key_value_heads"] * config["head_dim"]
        # The shared prompt is read once, each sample's own half answer by it alone.
        bytes_read = weight_bytes(config, count, width) + kv * (prompt + batch * answer / 2)
        ceiling = None if bundle.dry else batch * copy / bytes_read
        row = ratio_rows(title(bundle, name, dtype, f"decode {batch}"), batch * (answer - 1) / seconds, theirs, ("torch", "transformers"), ceiling)
        rows.append({**row, "layers": count, "host wait": whole.get("host_wait_share"), "GiB in use": whole["device_memory_used"] / 2**30})
    return rows


def decode(bundle):
    return each_model(bundle, lambda name: decode_rows(bundle, name, "bf16"))


def fp8(bundle):
    """Decode with fp8 base weights, and the LoRA step, which has no counterpart in PyTorch."""
    bundle.need_gpu()
    return each_model(bundle, lambda name: decode_rows(bundle, name, "fp8")) + each_model(
        bundle, lambda name: [train_row(bundle, name, tokens, "fp8", peers_too=False) for tokens in (2048, 4096)])


def prefill_rows(bundle, name):
    config, tokens = shape(bundle, name), 64 if bundle.dry else 2048
    count = layers(bundle, config, 2, 8e9)
    theirs = peers(bundle, name, count, "ceilings,prefill,transformers", "--batches", "1")
    mine = ours(bundle, name, count, "--prompt-tokens", tokens, "--generate-tokens", 1, "--n", 0, "--train-tokens", 0)[f"pp{tokens}"]
    rate = theirs["bf16 product", "torch"]["flops"]
    ceiling = None if bundle.dry else tokens * rate / flops(config, count, tokens, 1)
    row = ratio_rows(title(bundle, name, "bf16", f"prefill {tokens}"), mine["avg_ts"], theirs, ("torch", "transformers"), ceiling)
    return [{**row, "layers": count}]


def prefill(bundle):
    return each_model(bundle, lambda name: prefill_rows(bundle, name))


def train_row(bundle, name, tokens, dtype, peers_too=True):
    config, width = shape(bundle, name), 1 if dtype == "fp8" else 2
    count = layers(bundle, config, width, 24e9 if dtype == "fp8" else 8e9)
    theirs = peers(bundle, name, count, "ceilings" + (",train,peft" if peers_too else ""), *(["--checkpointing"] if "70b" in name else []))
    mine = ours(bundle, name, count, "--prompt-tokens", 0, "--generate-tokens", 0, "--n", 0, "--train-tokens", tokens, dtype=dtype)[f"train{tokens}"]
    rate = theirs.get((f"{dtype} product", "torch"), {}).get("flops")
    ceiling = tokens * rate / flops(config, count, tokens, 2) if rate and not bundle.dry else None
    row = ratio_rows(title(bundle, name, dtype, f"LoRA step {tokens}"), mine["avg_ts"], theirs, ("torch", "peft"), ceiling)
    return {**row, "layers": count, "GiB in use": mine["device_memory_used"] / 2**30}


def train(bundle):
    return each_model(bundle, lambda name: [train_row(bundle, name, 64 if bundle.dry else 2048, "bf16")])


def throughput_rows(bundle, name):
    config, tokens = shape(bundle, name), 16 if bundle.dry else 128
    count = layers(bundle, config, 2, 30e9)
    theirs = peers(bundle, name, count, "throughput")
    best = None
    for requests in (2, 4) if bundle.dry else (64, 128, 256, 512):
        try:
            found = ours(bundle, name, count, "--prompt-tokens", tokens, "--generate-tokens", tokens, "--n", 0, "--train-tokens", 0, "--requests",
                         requests)[f"{requests}x(pp{tokens}+tg{tokens})"]
        except RuntimeError:
            if best is None:
                raise
            break  # more than the memory holds
        best = (found["avg_ts"], requests) if best is None or found["avg_ts"] > best[0] else best
    row = ratio_rows(title(bundle, name, "bf16", f"{tokens} in {tokens} out"), best[0], theirs, ("torch",))
    return [{**row, "requests": best[1], "layers": count}]


def throughput(bundle):
    """Different prompts, 128 tokens in and 128 out: the most tokens a second over numbers of requests."""
    return each_model(bundle, lambda name: throughput_rows(bundle, name))


def profile(bundle):
    """Where the time of a decode step and of a training step goes, by kernel, from Nsight Compute's durations."""
    bundle.need_gpu()
    ncu = bundle.need("ncu")
    rows = []
    for step, arguments in (("decode 8", ["--prompt-tokens", 512, "--generate-tokens", 8, "--n", 8, "--train-tokens", 0]),
                            ("LoRA step", ["--prompt-tokens", 0, "--generate-tokens", 0, "--n", 0, "--train-tokens", 2048])):
        log = bundle.out / f"profile-{step.replace(' ', '-')}.csv"
        command = [ncu, "--clock-control", "none", "--graph-profiling", "node", "--target-processes", "all", "--metrics", "gpu__time_duration.sum", "--csv",
                   "--log-file", log, "--launch-skip", "200", "--launch-count", "400"]
        bench = bundle.cli("bench", "--json", "--device", "cuda", "--model", bundle.ingrain / "models" / f"{bundle.options.model[0]}.json",
                           "--random-weights", "--layers", 4, "--repetitions", 1, *arguments)
        bundle.run([*command, *bench])
        rows += kernels(log, step)
    return rows


def kernels(log, step):
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith('"')]
    times = collections.Counter()
    launches = collections.Counter()
    for record in csv.DictReader(lines):
        unit = {"ns": 1e-3, "us": 1, "usecond": 1, "nsecond": 1e-3, "ms": 1e3, "msecond": 1e3}.get(record["Metric Unit"])
        if record["Metric Name"] == "gpu__time_duration.sum" and unit:
            kernel = record["Kernel Name"].split("(")[0][-60:]
            times[kernel] += float(record["Metric Value"].replace(",", "")) * unit
            launches[kernel] += 1
    total = sum(times.values())
    if not total:
        raise RuntimeError(f"{log.name}: Nsight Compute timed no kernel")
    return [{"step": step, "kernel": kernel, "launches": launches[kernel], "µs": us, "share": us / total} for kernel, us in times.most_common(12)]
