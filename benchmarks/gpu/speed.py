"""Measures the speed of `ingrain bench` and of PyTorch on the same GPU. Reports the ratio of the two speeds, and the
share that each speed reaches of the ceilings measured in the same run."""

import collections
import csv
import dataclasses
import json
import sys

BATCHES = (1, 8, 40)
PROMPT, ANSWER, PREFILL, TRAIN = 512, 64, 2048, 2048


@dataclasses.dataclass(frozen=True)
class Shape:
    """The shape of a model, of which only the first layers are used."""
    name: str
    config: dict
    layers: int
    dtype: str = "bf16"
    dry: bool = False  # a dry run uses one small model for all shapes

    @property
    def title(self):
        if self.dry:
            return "stories15M"
        whole = self.config["num_hidden_layers"]
        return f"{self.name} {self.dtype}" + ("" if self.layers == whole else f", {self.layers} layers")

    def layer_weights(self):
        hidden, kv = self.config["hidden_size"], self.config["num_key_value_heads"] * self.config["head_dim"]
        return 2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * self.config["intermediate_size"]

    def step_bytes(self, batch):
        """Returns the bytes that a decode step reads when half of each answer is generated: every weight, the shared
        prompt once, and half an answer per sample."""
        width = 1 if self.dtype == "fp8" else 2
        cache = 4 * self.layers * self.config["num_key_value_heads"] * self.config["head_dim"]
        return (
            self.layers * self.layer_weights() * width
            + 2 * self.config["vocab_size"] * self.config["hidden_size"]
            + cache * (PROMPT + batch * ANSWER / 2)
        )

    def flops(self, tokens, passes):
        """Returns the FLOP of the matrix products. passes is 1 for a forward pass and 2 for a LoRA step, because the
        frozen weights need no gradient."""
        return 2 * passes * tokens * self.layers * self.layer_weights()


def shape(bundle, name, layers=None, dtype="bf16"):
    config = json.loads((bundle.ingrain / "models" / f"{name}.json").read_text())
    return Shape(
        name, config, min(layers or config["num_hidden_layers"], config["num_hidden_layers"]), dtype, bundle.dry
    )


def compared(name, layers=None, dtype="bf16"):
    """Returns a part that measures decoding, prefill and a LoRA step of this shape, first with Ingrain, then with
    PyTorch."""
    return lambda bundle: measured(bundle, shape(bundle, name, layers, dtype), peers=True)


def alone(name, layers=None, dtype="bf16"):
    """Returns a part that measures decoding, prefill and a LoRA step of this shape without PyTorch, with fewer samples
    and one repetition. The part also tests whether the memory plan is correct on a real GPU."""
    return lambda bundle: measured(bundle, shape(bundle, name, layers, dtype), peers=False)


def measured(bundle, model, peers):
    batches = BATCHES if peers else (1, 8)
    mine = {}
    for row in ours(bundle, model, batches, 2 if peers else 1):
        mine[row["test"]] = row
        yield {"model": model.title, **row}
    if not peers:
        return
    theirs = {}
    for row in torch_rows(bundle, model):
        theirs[row["test"]] = row
        yield {"model": model.title, **row}
    if not bundle.dry:
        yield from ratios(model, mine, theirs)


def ours(bundle, model, batches, repetitions):
    """Yields the rows of `ingrain bench`. If the command fails, yields the rows so far and a row with the reason."""
    prompt, answer, prefill, train = (32, 8, 64, 64) if bundle.dry else (PROMPT, ANSWER, PREFILL, TRAIN)
    runs = [
        (
            "sampling",
            [
                "--prompt-tokens",
                prompt,
                "--generate-tokens",
                answer,
                "--n",
                ",".join(map(str, batches)),
                "--train-tokens",
                0,
            ],
        ),
        ("prefill", ["--prompt-tokens", prefill, "--generate-tokens", 0, "--n", 0, "--train-tokens", train]),
    ]
    for name, arguments in runs:
        rows, failure = bench(
            bundle, model, f"{model.name}-{model.dtype}-{name}", "--repetitions", repetitions, *arguments
        )
        yield from readable(rows, prompt)
        if failure:
            yield {"test": name, "by": "ingrain", "result": "FAILED", "why": failure}


def readable(rows, prompt):
    for row in rows:
        more = {
            "host wait": row.get("host_wait_share"),
            "GiB": row["device_memory_used"] / 2**30,
            "fallbacks": sum(row["fallbacks"].values()),
        }
        name, seconds = row["test"], row["avg_ns"] / 1e9
        if name.startswith(f"pp{prompt}+tg"):
            yield {
                "test": f"decode {name.rsplit('x', 1)[1]}",
                "by": "ingrain",
                "ms": row["step_ns"] / 1e6,
                "tokens/s": row["decode_ts"],
                **more,
            }
        elif name.startswith("pp"):
            yield {
                "test": f"prefill {name[2:]}",
                "by": "ingrain",
                "ms": seconds * 1e3,
                "tokens/s": row["avg_ts"],
                **more,
            }
        elif name.startswith("train"):
            yield {
                "test": f"LoRA step {name[5:]}",
                "by": "ingrain",
                "ms": seconds * 1e3,
                "tokens/s": row["avg_ts"],
                **more,
            }


def bench(bundle, model, name, *arguments):
    """Runs `ingrain bench`. Returns its rows and the reason of a failure, or None if it succeeded."""
    output = bundle.out / f"bench-{name}.json"
    output.unlink(missing_ok=True)
    which = (
        ["--model", bundle.kit / "models/stories15M"]
        if bundle.dry
        else [
            "--model",
            bundle.ingrain / "models" / f"{model.name}.json",
            "--random-weights",
            "--layers",
            model.layers,
            "--dtype",
            model.dtype,
        ]
    )
    done = bundle.attempt(
        bundle.cli("bench", "--json", "--output", output, "--device", bundle.device, *which, *arguments), name
    )
    rows = json.loads(output.read_text()) if output.exists() else []
    return rows, None if done.status == 0 else done.why()


def torch_rows(bundle, model):
    """Yields PyTorch's rows. If the program fails, yields the rows so far and a row with the reason."""
    output = bundle.out / f"torch-{model.name}-{model.dtype}.json"
    output.unlink(missing_ok=True)
    tests = "ceilings,decode,prefill,train" if model.dtype == "bf16" else "ceilings,decode,prefill"
    command = [sys.executable, bundle.home / "peers/gpu_bench.py", "--output", output, "--tests", tests]
    command += (
        ["--tiny", "--device", "cpu"]
        if bundle.dry
        else [
            "--config",
            bundle.ingrain / "models" / f"{model.name}.json",
            "--layers",
            model.layers,
            "--repetitions",
            5,
            "--prompt-tokens",
            PROMPT,
            "--generate-tokens",
            ANSWER,
            "--prefill-tokens",
            PREFILL,
            "--train-tokens",
            TRAIN,
            "--seconds",
            max(1, int(bundle.left() - 15)),
            *(["--fp8"] if model.dtype == "fp8" else []),
        ]
    )
    done = bundle.attempt(command, f"torch-{model.name}-{model.dtype}")
    for row in json.loads(output.read_text())["rows"] if output.exists() else []:
        known = {
            "test": row["test"],
            "by": row["by"],
            "ms": row.get("ms"),
            "tokens/s": row.get("tokens_per_second"),
            "why": row.get("error"),
        }
        more = {
            "bytes/s": row.get("bytes_per_second"),
            "flops": row.get("flops"),
            "GiB": row["peak_bytes"] / 2**30 if "peak_bytes" in row else None,
            "attention": row.get("attention"),
            "compiled": row.get("compiled"),
        }
        yield {key: value for key, value in {**known, **more}.items() if value is not None}
    if done.status != 0:
        yield {"test": "remaining tests", "by": "torch", "why": done.why()}


def ratios(model, mine, theirs):
    """Divides Ingrain's rates by PyTorch's rates and by the ceilings. The ceilings follow from the GPU's measured
    bandwidth and product rate."""
    copy, rate = (
        theirs.get(name, {}).get(field) for name, field in (("copy", "bytes/s"), (f"{model.dtype} product", "flops"))
    )
    for test, row in mine.items():
        if "tokens/s" not in row:
            continue
        number = int(test.rsplit(" ", 1)[1])
        if test.startswith("decode"):
            ceiling = number * copy / model.step_bytes(number) if copy else None
        else:
            passes = 2 if test.startswith("LoRA") else 1
            ceiling = number * rate / model.flops(number, passes) if rate else None
        other = theirs.get(test, {}).get("tokens/s")
        yield {
            "model": model.title,
            "test": test,
            "by": "ratio",
            "tokens/s": row["tokens/s"],
            "PyTorch": other,
            "times PyTorch": row["tokens/s"] / other if other else None,
            "ceiling": ceiling,
            "share of ceiling": row["tokens/s"] / ceiling if ceiling else None,
        }


def warmers(bundle, names):
    """Returns commands that fill PyTorch's compiler cache on idle cores. The commands use models of two layers, because
    in training PyTorch compiles the first layer separately."""
    for name, dtype in names:
        output = bundle.out / f"warm-{name}-{dtype}.json"
        yield [
            sys.executable,
            bundle.home / "peers/gpu_bench.py",
            "--config",
            bundle.ingrain / "models" / f"{name}.json",
            "--layers",
            2,
            "--repetitions",
            1,
            "--prompt-tokens",
            PROMPT,
            "--generate-tokens",
            ANSWER,
            "--prefill-tokens",
            PREFILL,
            "--train-tokens",
            TRAIN,
            "--tests",
            "decode,prefill,train" if dtype == "bf16" else "decode,prefill",
            *(["--fp8"] if dtype == "fp8" else []),
            "--output",
            output,
        ]


def throughput(bundle):
    """Measures tokens per second for several numbers of requests with different prompts, each with 128 prompt tokens
    and 128 generated tokens."""
    model = shape(bundle, "llama-2-70b", 40)
    tokens = 16 if bundle.dry else 128
    for requests in (2, 4) if bundle.dry else (64, 256, 512):
        rows, failure = bench(
            bundle,
            model,
            f"throughput-{requests}",
            "--prompt-tokens",
            tokens,
            "--generate-tokens",
            tokens,
            "--n",
            0,
            "--train-tokens",
            0,
            "--requests",
            requests,
            "--repetitions",
            1,
        )
        found = [row for row in rows if row["test"].startswith(f"{requests}x(")]
        yield {"model": model.title, "test": f"{tokens} in {tokens} out", "requests": requests, "by": "ingrain",
               **({"tokens/s": found[0]["avg_ts"]} if found else {"why": failure})}


def profile(bundle):
    """Measures the time of each kernel in a decode step and in a training step, with Nsight Compute."""
    bundle.need_gpu()
    ncu = bundle.need("ncu")
    for step, arguments in (
        ("decode 8", ["--prompt-tokens", 512, "--generate-tokens", 8, "--n", 8, "--train-tokens", 0]),
        ("LoRA step", ["--prompt-tokens", 0, "--generate-tokens", 0, "--n", 0, "--train-tokens", 2048]),
    ):
        log = bundle.out / f"profile-{step.replace(' ', '-')}.csv"
        command = [
            ncu,
            "--clock-control",
            "none",
            "--graph-profiling",
            "node",
            "--target-processes",
            "all",
            "--metrics",
            "gpu__time_duration.sum",
            "--csv",
            "--log-file",
            log,
            "--launch-skip",
            "200",
            "--launch-count",
            "400",
        ]
        program = bundle.cli(
            "bench",
            "--json",
            "--device",
            "cuda",
            "--model",
            bundle.ingrain / "models/llama-2-70b.json",
            "--random-weights",
            "--layers",
            4,
            "--repetitions",
            1,
            *arguments,
        )
        bundle.run([*command, *program], f"profile-{step.replace(' ', '-')}")
        yield from kernels(log, step)


def kernels(log, step):
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith('"')]
    times = collections.Counter()
    launches = collections.Counter()
    for record in csv.DictReader(lines):
        unit = {"ns": 1e-3, "us": 1, "usecond": 1, "nsecond": 1e-3, "ms": 1e3, "msecond": 1e3}.get(
            record["Metric Unit"]
        )
        if record["Metric Name"] == "gpu__time_duration.sum" and unit:
            kernel = record["Kernel Name"].split("(")[0][-60:]
            times[kernel] += float(record["Metric Value"].replace(",", "")) * unit
            launches[kernel] += 1
    total = sum(times.values())
    if not total:
        raise RuntimeError(f"{log.name}: Nsight Compute timed no kernel")
    return [
        {"step": step, "kernel": kernel, "launches": launches[kernel], "µs": us, "share": us / total}
        for kernel, us in times.most_common(12)
    ]
