#!/usr/bin/env python3
"""Measures a Llama of a given shape in PyTorch on one GPU, and the ceilings of that GPU, in one process.

    python3 benchmarks/peers/gpu_bench.py --config models/llama-2-70b.json --layers 36 --tests
    ceilings,decode,prefill,train,throughput

Weights are random. The rows `torch` measure PyTorch with the usual optimisations: a Llama of F.linear and
F.scaled_dot_product_attention with a compiled block, a static cache, and the whole decode step with its sampling in one
CUDA graph. The rows `transformers` and `peft` measure these libraries without changes. Times are medians measured by
CUDA events. If a test fails, its error becomes a row, and the test is repeated in plain PyTorch without the compiler,
the CUDA graph and cuDNN. The file of --output is rewritten after each row, so a run that is stopped keeps its results.
A run
with `--layers 2 --repetitions 1` fills TORCHINDUCTOR_CACHE_DIR for any number of layers. Such a run needs two layers,
because the first layer of a training step needs no gradient of its input and is therefore compiled separately. --tiny
--device cpu runs the program without a GPU.
"""

import argparse
import gc
import json
import os
import statistics
import time
from pathlib import Path

START = time.monotonic()  # set before torch is imported, because the import takes seconds

import torch

from gpu_llama import Llama, Shape, capture

# These tests share one model, because building 70 GB of weights again would take too long.
SHARING = ("decode", "prefill", "throughput")


class Clock:
    def __init__(self, device, repetitions):
        self.cuda = device.type == "cuda"
        self.repetitions = repetitions

    def milliseconds(self, work, warmup=2):
        """Returns the median and all times of `work` in ms."""
        for _ in range(warmup):
            work()
        times = []
        for _ in range(self.repetitions):
            if self.cuda:
                begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                begin.record()
                work()
                end.record()
                end.synchronize()
                times.append(begin.elapsed_time(end))
            else:
                begin = time.perf_counter()
                work()
                times.append((time.perf_counter() - begin) * 1e3)
        return statistics.median(times), times


def row(test, by, ms, times, **more):
    return {"test": test, "by": by, "ms": ms, "samples_ms": times, **more}


def ceilings(options, clock):
    n, gigabytes = (8192, 8) if not options.tiny else (128, 0.01)
    dtype = torch.bfloat16
    source = torch.randn(int(gigabytes * 1e9 / 2 / 2), device=options.device, dtype=dtype)
    target = torch.empty_like(source)
    ms, times = clock.milliseconds(lambda: target.copy_(source))
    yield row("copy", "torch", ms, times, bytes_per_second=2 * source.numel() * 2 / ms * 1e3)
    del source, target
    a, b = (torch.randn(n, n, device=options.device, dtype=dtype) for _ in range(2))
    ms, times = clock.milliseconds(lambda: a @ b.t())
    yield row("bf16 product", "torch", ms, times, flops=2 * n**3 / ms * 1e3)
    if options.device.type != "cuda":
        return
    a8, b8 = a.to(torch.float8_e4m3fn), b.to(torch.float8_e4m3fn)
    one = torch.ones(n, 1, device=options.device)
    ms, times = clock.milliseconds(lambda: torch._scaled_mm(a8, b8.t(), scale_a=one, scale_b=one.t(), out_dtype=dtype))
    yield row("fp8 product", "torch", ms, times, flops=2 * n**3 / ms * 1e3)


def base_model(options):
    """Returns the model of decode, prefill and throughput. The model is built once; the cache of the previous test is
    removed from it."""
    if options.model is None:
        options.model = Llama(options.shape, options.device, fp8=options.fp8)
    options.model.cache = None
    options.model.compile_blocks(options.compiled)
    return options.model


def decode(options, clock, batch):
    """Measures decode steps halfway through the answer. Each sample has a copy of the prompt in a static cache."""
    at = options.prompt_tokens + options.generate_tokens // 2
    model = base_model(options)
    model.make_cache(batch, options.prompt_tokens + options.generate_tokens)
    with model.attention(batch, 1, at + 1) as attention:
        step = capture(model, batch, at, options.graph)
        ms, times = clock.milliseconds(step)
    yield row(
        f"decode {batch}",
        "torch",
        ms,
        times,
        tokens_per_second=batch / ms * 1e3,
        weight_bytes=model.weight_bytes(),
        attention=attention,
        compiled=model.compiled,
        graph=options.graph,
    )


def throughput(options, clock):
    tokens = 16 if options.tiny else 128
    model = base_model(options)
    best = None
    for batch in (2, 4) if options.tiny else (64, 128, 256, 512):
        try:
            model.make_cache(batch, 2 * tokens)
            ids = torch.randint(options.shape.vocab_size, (batch, tokens), device=options.device)
            with model.attention(batch, tokens):
                prefill, _ = clock.milliseconds(lambda: model.prefill(ids), 1)
            with model.attention(batch, 1, tokens + tokens // 2 + 1):
                ms, times = clock.milliseconds(capture(model, batch, tokens + tokens // 2, options.graph))
        except torch.OutOfMemoryError:
            break
        found = row(
            f"{tokens} in {tokens} out",
            "torch",
            prefill + tokens * ms,
            times,
            batch=batch,
            tokens_per_second=batch * tokens / (prefill + tokens * ms) * 1e3,
            compiled=model.compiled,
            graph=options.graph,
        )
        best = found if best is None or found["tokens_per_second"] > best["tokens_per_second"] else best
    if best is None:
        raise torch.OutOfMemoryError("the smallest batch does not fit")
    yield best


def prefill(options, clock):
    model = base_model(options)
    model.make_cache(1, options.prefill_tokens)
    ids = torch.randint(options.shape.vocab_size, (1, options.prefill_tokens), device=options.device)
    with model.attention(1, options.prefill_tokens) as attention:
        ms, times = clock.milliseconds(lambda: model.prefill(ids), 3)
    yield row(
        f"prefill {options.prefill_tokens}",
        "torch",
        ms,
        times,
        tokens_per_second=options.prefill_tokens / ms * 1e3,
        attention=attention,
        compiled=model.compiled,
    )


def train(options, clock):
    model = Llama(options.shape, options.device, rank=16)
    model.compile_blocks(options.compiled)
    model.make_rotation(options.train_tokens)
    parameters = model.adapters()
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=options.device.type == "cuda")
    ids = torch.randint(options.shape.vocab_size, (1, options.train_tokens), device=options.device)

    def step():
        optimizer.zero_grad(set_to_none=False)
        model.loss(ids, options.checkpointing).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    with model.attention(1, options.train_tokens) as attention:
        ms, times = clock.milliseconds(step, 3)
    yield row(
        f"LoRA step {options.train_tokens}",
        "torch",
        ms,
        times,
        tokens_per_second=options.train_tokens / ms * 1e3,
        checkpointing=options.checkpointing,
        attention=attention,
        compiled=model.compiled,
    )


def hugging_face(options):
    import transformers
    transformers.logging.set_verbosity_error()
    fields = {k: v for k, v in options.fields.items() if k not in ("architectures", "torch_dtype", "dtype")}
    with torch.device(options.device):
        torch.set_default_dtype(torch.bfloat16)
        try:
            return transformers.LlamaForCausalLM(transformers.LlamaConfig(**fields, dtype=torch.bfloat16)).eval()
        finally:
            torch.set_default_dtype(torch.float32)


def transformers_tests(options, clock):
    model = hugging_face(options)
    prompt = torch.randint(options.shape.vocab_size, (1, options.prompt_tokens), device=options.device)
    ids = torch.randint(options.shape.vocab_size, (1, options.prefill_tokens), device=options.device)
    with torch.no_grad():
        ms, times = clock.milliseconds(lambda: model(ids, logits_to_keep=1))
        yield row(
            f"prefill {options.prefill_tokens}",
            "transformers",
            ms,
            times,
            tokens_per_second=options.prefill_tokens / ms * 1e3,
        )
        for batch in options.batches:
            few = Clock(options.device, 1)
            times = [
                few.milliseconds(
                    lambda: model.generate(
                        prompt,
                        attention_mask=torch.ones_like(prompt),
                        min_new_tokens=tokens,
                        max_new_tokens=tokens,
                        do_sample=True,
                        num_return_sequences=batch,
                        pad_token_id=0,
                    ),
                    1,
                )[0]
                for tokens in (2, 18)
            ]
            ms = (times[1] - times[0]) / 16
            yield row(f"decode {batch}", "transformers", ms, times, tokens_per_second=batch / ms * 1e3)


def peft_test(options, clock):
    import peft
    model = hugging_face(options)
    model = peft.get_peft_model(
        model, peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    ).train()
    if options.checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)
    ids = torch.randint(options.shape.vocab_size, (1, options.train_tokens), device=options.device)

    def step():
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()

    ms, times = clock.milliseconds(step)
    yield row(f"LoRA step {options.train_tokens}", "peft", ms, times, tokens_per_second=options.train_tokens / ms * 1e3,
              checkpointing=options.checkpointing)


def fresh_memory(options, name):
    """Frees the GPU memory of the previous test, also if it failed, but not the weights that the next test shares."""
    if name not in SHARING:
        options.model = None
    elif options.model is not None:
        options.model.cache = None
    torch._dynamo.reset()
    gc.collect()  # compiled models have reference cycles, and two models would not fit into memory
    if options.device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def attempt(options, clock, name, title, test):
    """Yields the rows of a test. If the test raises an exception, yields a row with the error, so that the other tests
    can run. The failure of a peer is a result too."""
    try:
        fresh_memory(options, name)
        for found in test(options, clock):
            if options.device.type == "cuda":
                found["peak_bytes"] = torch.cuda.max_memory_allocated()
            yield found
        return
    except Exception as e:
        error = {
            **unmeasured(name, title, f"{type(e).__name__}: {e}"),
            "out_of_memory": isinstance(e, torch.OutOfMemoryError),
            "compiled": options.compiled,
            "checkpointing": options.checkpointing,
        }
    yield error  # not within `except`, because there the exception still refers to the test's tensors


def unmeasured(name, title, why):
    return {
        "test": title,
        "by": name if name in ("transformers", "peft") else "torch",
        "error": " ".join(why.split())[:300],
    }


def measured(options, clock):
    tests = {
        "ceilings": ceilings,
        "prefill": prefill,
        "train": train,
        "throughput": throughput,
        "transformers": transformers_tests,
        "peft": peft_test,
    }
    for name in options.tests:
        batches = {f"decode {b}": lambda o, c, b=b: decode(o, c, b) for b in options.batches}
        for title, test in batches.items() if name == "decode" else [(name, tests[name])]:
            if options.seconds is not None and time.monotonic() - START > options.seconds:
                yield unmeasured(name, title, f"not started after {options.seconds:g} s")
                continue
            options.compiled, options.graph = options.compile, options.device.type == "cuda"
            failed = False
            for found in attempt(options, clock, name, title, test):
                failed |= "error" in found and not found["out_of_memory"]
                yield found
            if failed and options.compiled and name in (*SHARING, "train"):
                options.compiled = options.graph = False
                yield from attempt(options, clock, name, title, test)


def save(options, rows):
    """Replaces the file of --output atomically, so that the file is complete even if the program is killed."""
    if not options.output:
        return
    result = {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if options.device.type == "cuda" else "cpu",
        "layers": options.shape.layers,
        "fp8": options.fp8,
        "seconds": time.monotonic() - START,
        "rows": rows,
    }
    part = options.output.with_name(options.output.name + ".part")
    part.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(part, options.output)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--layers", type=int)
    parser.add_argument(
        "--tests", default="ceilings,decode,prefill,train,throughput,transformers,peft", type=lambda s: s.split(",")
    )
    parser.add_argument("--batches", default="1,8,40", type=lambda s: [int(b) for b in s.split(",")])
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--generate-tokens", type=int, default=128)
    parser.add_argument("--prefill-tokens", type=int, default=2048)
    parser.add_argument("--train-tokens", type=int, default=2048)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument(
        "--fp8", action="store_true", help="base weights in E4M3, one scale per row, where PyTorch supports the product"
    )
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--device", default="cuda", type=torch.device)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help="compile the blocks; default: on a GPU only",
    )
    parser.add_argument("--seconds", type=float, help="start no test when this number of seconds has passed")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.tiny:
        options.fields = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
                          "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 256, "max_position_embeddings": 256}
        options.prompt_tokens, options.generate_tokens, options.prefill_tokens, options.train_tokens = 32, 16, 64, 64
        options.repetitions, options.batches = 2, [1, 2]
    else:
        options.fields = json.loads(options.config.read_text())
        if options.layers:
            options.fields["num_hidden_layers"] = min(options.layers, options.fields["num_hidden_layers"])
    options.shape, options.model = Shape.of(options.fields), None
    if options.compile is None:
        options.compile = options.device.type == "cuda"
    torch.manual_seed(1)
    rows = []
    save(options, rows)  # removes the rows of an older run
    for found in measured(options, Clock(options.device, options.repetitions)):
        rows.append(found)
        print(f"{time.monotonic() - START:6.1f} s  {found['by']:13}{found['test']:18}" +
              (f"{found['ms']:10.3f} ms" if "ms" in found else found["error"]), flush=True)
        save(options, rows)


if __name__ == "__main__":
    main()
