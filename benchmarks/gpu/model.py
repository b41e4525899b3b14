#!/usr/bin/env python3
"""Predicts the speed of Llama-2 on GPUs from the machine code of the CUDA library. Needs no GPU.

    benchmarks/gpu/model.py [LIBRARY] [--against OLD] [--output FILE]

LIBRARY is a built libingrain_cuda.so (default: build/release/lib/libingrain_cuda.so). --against prints each figure for
OLD and for LIBRARY. --output rewrites the tables of benchmarks/results/h200-predictions.md, up to its heading "First
runs". Needs cuobjdump and nvdisasm; see machine_code.py.

To predict a new kernel: add its mangled name to HOT in machine_code.py and its time to `product`.
"""
import argparse
import heapq
import math
from pathlib import Path

from machine_code import RESERVED, read

ROOT = Path(__file__).resolve().parents[2]
HISTORY = "\n## First runs\n"

# ---- models and devices -------------------------------------------------------------------------------------------
MODELS = {
    "70B": dict(D=8192, L=80, F=28672, H=64, K=8, E=128, V=32000),
    "7B": dict(D=4096, L=32, F=11008, H=32, K=32, E=128, V=32000),
}
# clock: GHz under load. read and copy: TB/s of kernels that only read, and of elementwise kernels. mma: FLOP of
# mma.sync per clock and multiprocessor. shared: KiB per multiprocessor. latency: µs from a load to its data. gap: µs
# between two kernels of a graph. bf16, fp8: PFLOP/s of cuBLASLt's products. For the H200, read, copy, mma, gap, bf16
# and fp8 are measured (results/h200.md). For the A100, they are assumed from the data sheet: read is 0.93 and copy 0.78
# of 2.04 TB/s, mma is the peak of 312 TFLOP/s, and bf16 is 0.8 of it. The gap of 1.3 was also assumed for the H200
# before it was measured.
DEVICES = {
    "H200": dict(sms=132, clock=1.755, read=4.57, copy=3.63, mma=2730, shared=228, latency=0.40, gap=0.73,
                 bf16=0.715, fp8=1.30),
    "A100": dict(sms=108, clock=1.41, read=1.90, copy=1.60, mma=2048, shared=164, latency=0.45, gap=1.3,
                 bf16=0.25, fp8=None),
}
REGISTERS, THREADS = 65536, 2048      # of a multiprocessor

# ---- constants fitted to the kernels measured in results/h200.json -------------------------------------------------
OVERLAP = 4.0        # exponent with which the times of memory, pipes and issue slots add up
RAMP = 4.0           # µs of a few_rows product outside its steady state
SMALL = 2.0          # µs of a kernel with little data
# Loops of attention with two warps per scheduler: the exponent with which the clocks of the tensor core, of shared
# memory and of issue slots add up, and a factor. For the kernels of the measured run, the loops with these constants
# give 112 % (forward) and 89 % (backward) of the measured rate of training attention.
LOOP_OVERLAP, LOOP = 1.25, 1.1
# Share of the instructions of a loop that a pass executes: most passes hide no keys.
EXECUTED = {"attention": 0.80, "paged bf16": 0.94, "attention backward": 0.76}
BACKWARD = {"bf16": 1.10, "fp8": 1.45}    # time of the products of a backward pass, relative to a forward pass
# Decoding: `fixed` is the time in µs of the launch, of dependent loads and of the merge. `few` and `many` are clocks
# per instruction of a warp. No GPU has run this kernel. So `few` and `many` come from measured loops of other attention
# kernels. `fixed` is the 9.0 µs that were fitted to the kernel of the measured run, minus 4.8 µs. This is the time of
# its plan, which each block computed, if a load takes 600 clocks.
PAGED = dict(fixed=4.2, few=5.0, many=4.9)
# share of the read bandwidth that cuBLASLt reaches with 17 to 64 rows
LIBRARY_SHARE = {("bf16", "qkv"): 0.83, ("bf16", "o"): 0.81, ("bf16", "gate_up"): 0.91, ("bf16", "down"): 0.91,
                 ("fp8", "qkv"): 0.66, ("fp8", "o"): 0.47, ("fp8", "gate_up"): 0.76, ("fp8", "down"): 0.53}
LIBRARY_512 = 0.95   # rate of cuBLASLt at 512 rows, relative to 2,048
# Share of the read bandwidth that ops of LoRA reach. Only `up` is measured. The others follow from the bytes and the
# instructions of kernels that no GPU has run; the kernels that were measured before reached 0.50, 0.24 and 0.55.
LORA = dict(down=0.78, up=0.62, up_backward=0.66, down_backward=0.73)

NORMED = 0.5         # µs that a product of few_rows takes longer if it normalises its rows: assumed, not fitted

# ---- figures to compare with --------------------------------------------------------------------------------------
# Each pair has a prediction of 2026-11-28, made before the first run, and a measurement of results/h200.md. Rates of 40
# of the 80 layers are halved.
KNOWN = {
    "70B bf16 decode, 1 sample": (27.0, 29.0), "70B bf16 decode, 8 samples": (212, 218),
    "70B bf16 decode, 40 samples": (871, 975), "70B fp8 decode, 1 sample": (43, 48.4),
    "70B fp8 decode, 8 samples": (321, 352), "70B fp8 decode, 16 samples": (549, None),
    "70B fp8 decode, 40 samples": (1320, 1322),
    "70B bf16 prefill 512": (None, 4555), "70B bf16 prefill 2048 in steps of 512": (4173, None),
    "70B bf16 prefill 2048": (4651, 4245), "70B fp8 prefill 512": (None, 7742),
    "70B fp8 prefill 2048 in steps of 512": (5723, None), "70B fp8 prefill 2048": (6827, 7342),
    "70B bf16 LoRA 2048": (None, 1427), "70B bf16 LoRA 4096": (1120, None), "70B fp8 LoRA 2048": (None, 2586),
    "70B fp8 LoRA 8192": (1440, None), "7B bf16 decode, 1 sample": (None, 229),
    "7B bf16 decode, 8 samples": (None, 1663), "7B bf16 decode, 40 samples": (None, 6362),
    "7B bf16 prefill 512": (None, 37999), "7B bf16 prefill 2048": (None, 40447), "7B bf16 LoRA 2048": (None, 15682),
}

# ---- few_rows: the shapes and the choices of cuda/matmul/few_rows.h ------------------------------------------------
def turn_bytes(kernel, kind, tiles):
    """Returns the bytes of weight that a warp multiplies per pass of the loop: an HMMA takes 16 × 16 elements."""
    return kernel.hmma // tiles * 256 * (2 if kind == "bf16" else 1)


def shared_of(kind, m, tiles, deep):
    """Returns the dynamic shared memory of a block, and the bytes of weight that the block has in flight."""
    slot, limit = 2048 * m + 1024 * tiles * (1 if kind == "bf16" else 2), 12288
    depth = 1 if not deep or 2 * slot > limit else limit // slot if m == 1 else 2
    sums = 8 * 16 * min(m, 2) * 8 * tiles * 4 * (2 if tiles == 1 else 1)
    return 8 * depth * slot + sums, 8 * depth * 2048 * m


def resident(device, kernel, threads, shared):
    per_warp = -(-kernel.registers // 8) * 8 * 32
    return max(1, min(REGISTERS // (per_warp * threads // 32), THREADS // threads,
                      int(device["shared"] * 1024 // (shared + kernel.static + RESERVED))))


def variant(device, kind, gated, rows, N):
    wide = N >= 64 * (device["sms"] * 10 // 11)
    deep = device["shared"] * 1024 // ((112 << 10) + RESERVED) >= 2
    if rows > 8:
        return kind, gated, 4 if wide and deep else 2, 2, deep
    return kind, gated, 1 if not gated and (not wide or rows <= 4) else 2, 1, deep


def together(*times):
    return sum(t ** OVERLAP for t in times) ** (1 / OVERLAP)


def few_rows(device, kernels, kind, gated, rows, N, C):
    """Returns the time of a product of 1 to 16 rows in µs."""
    which = variant(device, kind, gated, rows, N)
    kernel, (_, _, m, tiles, deep) = kernels[which], which
    shared, flight = shared_of(kind, m, tiles, deep)
    slots = min(2, resident(device, kernel, 256, shared)) * device["sms"]
    count = -(-N // (16 * m))
    each = -(-count // slots)
    blocks = -(-count // each)
    tile = 16 * m * C * (2 if kind == "bf16" else 1)
    busiest = -(-blocks // device["sms"]) * each * tile       # bytes of the busiest multiprocessor
    loads = min(blocks, slots) * flight / device["latency"] / 1e6           # TB/s
    bandwidth = (device["read"] ** -3 + loads ** -3) ** (-1 / 3)
    turns = busiest / turn_bytes(kernel, kind, tiles) / device["clock"] / 1e3
    return RAMP + together(N * C * (2 if kind == "bf16" else 1) / bandwidth / 1e6, turns * kernel.alu / 2,
                           turns * kernel.instructions / 4, turns * kernel.hmma * 4096 / device["mma"])


# ---- mid_rows: the shapes of cuda/matmul/mid_rows.h ----------------------------------------------------------------
BYTES = {"bf16": 2, "fp8": 1, "int8": 1, "int4": 0.5}     # per element of a weight, without scales


def mid_tiles(kind, rows):
    return 1 if rows <= 8 and kind != "fp8" else 2 if rows <= 16 and kind != "fp8" else 4 if rows <= 32 else \
        5 if rows <= 40 else 8


def mid_rows(device, kernel, kind, rows, N, C):
    """Returns the time of a product of 17 to 64 rows with an fp8 weight, or of 1 to 40 rows with an int8 or int4 weight
    (groups of 128), in µs. A step has 256 rows and 128 columns of the weight. All blocks except one write sums to
    memory, and these sums are read again. The loops for int8 and int4 contain loads for three sizes of groups. Only one
    of the three is executed, but all three are counted."""
    tiles, step = mid_tiles(kind, rows), 256 * 128 * BYTES[kind]
    stages = 4 if device["shared"] * 1024 >= 4 * (step + tiles * 2048) + 2 * RESERVED else 2
    loads = device["sms"] * (stages - 1) * step / device["latency"] / 1e6      # TB/s
    bandwidth = (device["read"] ** -3 + loads ** -3) ** (-1 / 3)
    clocks = -(-N // 256) * -(-C // 128) / device["sms"] / device["clock"] / 1e3
    data = N * C * (BYTES[kind] + (0 if kind == "fp8" else 2 / 128))
    return RAMP + 2 * device["sms"] * 256 * tiles * 8 * 4 / device["read"] / 1e6 + together(
        data / bandwidth / 1e6, clocks * kernel.alu * 8 / 2, clocks * kernel.instructions * 8 / 4,
        clocks * kernel.hmma * 8 * 4096 / device["mma"])


# ---- the other kernels ---------------------------------------------------------------------------------------------
def product(device, kernels, kind, name, rows, N, C):
    """Returns the time of a product and of the kernels around it in µs."""
    if kind in ("bf16", "fp8") and rows <= 16:
        return few_rows(device, kernels, kind, name == "gate_up", rows, N, C)
    if kind != "bf16" and rows <= (64 if kind == "fp8" else 40):
        kernel = kernels.get(("mid_rows", kind, name == "gate_up", mid_tiles(kind, rows)))
        if kernel is not None:
            return mid_rows(device, kernel, kind, rows, N, C)
    rate = device.get(kind)
    if rate is None:
        return math.inf
    memory = N * C * BYTES[kind] / device["read"] / 1e6 / LIBRARY_SHARE[kind, name]
    scaled = rate * (LIBRARY_512 if rows <= 512 else 1) * 1e9
    extra = moved(device, rows * C * 3) + 1.5 if kind == "fp8" else 0
    after = moved(device, rows * N * 3) if name == "gate_up" else 0
    return max(memory, 2 * rows * N * C / scaled) + extra + after


def moved(device, data):
    return SMALL + data / device["copy"] / 1e6


def loop_rate(device, kernels, name):
    """Returns the TFLOP/s of a loop with tensor core instructions, with two warps per scheduler. Each of the four
    schedulers has a quarter of the bandwidth of shared memory, so an LDSM, which reads 512 bytes, takes 16 clocks."""
    kernel = kernels[name]
    clocks = LOOP * sum(n ** LOOP_OVERLAP for n in (
        kernel.hmma * 4096 * 4 / device["mma"], 16 * kernel.ops["LDSM"], kernel.instructions * EXECUTED[name]
    )) ** (1 / LOOP_OVERLAP)
    return device["sms"] * 4 * kernel.hmma * 4096 / clocks * device["clock"] / 1e3


def attention_backward(device, kernels, shape, tokens):
    """Returns the time of the backward pass of attention of one sequence in µs. An item has 128 keys and at most two
    query heads, and one step for each head and 64 tokens that see its keys. A multiprocessor takes the next item when
    its block has finished one. The waits of blocks for each other are not counted."""
    group = shape["H"] // shape["K"]
    flops = 10 * 64 * 128 * shape["E"]      # of a step
    us = flops / loop_rate(device, kernels, "attention backward") * device["sms"] / 1e6
    busy = [0.0] * device["sms"]
    for first_key in range(0, tokens, 128):
        for _ in range(shape["K"]):
            for head in range(0, group, 2):
                heapq.heappush(busy, heapq.heappop(busy) +
                               (-(-tokens // 64) - first_key // 64) * min(2, group - head))
    return max(busy) * us


def paged_decode(device, kernels, kind, shape, samples, prefix, own):
    """Returns the time of the attention of a decode step in µs. An item has 256 keys. If it has at most 16 rows, each
    warp computes a quarter of the keys; otherwise each warp computes 16 rows with four tiles of keys."""
    kernel = kernels[f"paged {kind}"]
    few, many = (n * PAGED[name] / device["clock"] / 1e3
                 for name, n in (("few", kernel.few_rows), ("many", 4 * EXECUTED["paged bf16"] * kernel.instructions)))
    rows, slots = samples * shape["H"] // shape["K"], 2 * device["sms"]
    joint = prefix // 256 * -(-rows // 64) * shape["K"] if samples > 1 else 0
    rest = (prefix + own if samples == 1 else own) / 256
    rounds = -(-(joint + samples * math.ceil(rest) * shape["K"]) // slots)
    data = (prefix + samples * own) * 2 * shape["K"] * shape["E"] * (2 if kind == "bf16" else 1)
    work = few * rounds if not joint or rows <= 16 else many + few * max(1, rounds - 1)
    return PAGED["fixed"] + max(work, data / device["read"] / 1e6)


# ---- workloads: µs of the kernels of a layer ----------------------------------------------------------------------
def weights(shape):
    D, F, width = shape["D"], shape["F"], shape["E"]
    return {"qkv": ((shape["H"] + 2 * shape["K"]) * width, D), "o": (D, shape["H"] * width),
            "gate_up": (2 * F, D), "down": (D, F)}


def elementwise(device, shape, rows, turns=1):
    """turns: number of kernels that read the heads. A step with a cache has only one, rope_cache."""
    heads = (shape["H"] + 2 * shape["K"]) * shape["E"]
    return {"norms": 2 * moved(device, rows * shape["D"] * 6), "rope, cache": turns * moved(device, rows * heads * 3)}


def decode(device, kernels, shape, kind, samples, prefix=512, own=32):
    layer = {name: product(device, kernels, kind, name, samples, *size) for name, size in weights(shape).items()}
    layer |= elementwise(device, shape, samples)
    layer["attention"] = paged_decode(device, kernels, "bf16", shape, samples, prefix, own)
    # norm_matmul: the shared memory of both devices holds four rows of 4,096 columns.
    normed = kind in ("bf16", "fp8") and samples <= 4 and samples * shape["D"] <= 4 * 4096
    layer["gaps"] = (6 if normed else 9 if samples > 16 and kind == "bf16" else 8) * device["gap"]
    if normed:
        layer["norms"] = 2 * NORMED
    head = product(device, kernels, "bf16", "o", samples, shape["V"], shape["D"])
    return layer, shape["L"] * sum(layer.values()) + head + 60, samples


def prefill(device, kernels, shape, kind, tokens, step):
    rate = loop_rate(device, kernels, "paged bf16")
    layer = {name: product(device, kernels, kind, name, step, *size) for name, size in weights(shape).items()}
    layer |= elementwise(device, shape, step)
    layer["attention"] = 2 * shape["H"] * shape["E"] * tokens * step / rate / 1e6
    layer["gaps"] = (9 if kind == "bf16" else 13) * device["gap"]
    return layer, (shape["L"] * sum(layer.values()) + 500) * tokens / step, tokens


def lora(device, kernels, shape, kind, tokens, recomputed, rank=16):
    """Predicts a LoRA step with adapters on every projection. recomputed: share of layers whose forward pass runs
    twice."""
    again, base = 1 + recomputed, sum(product(device, kernels, kind, name, tokens, *size)
                                      for name, size in weights(shape).items())
    pairs = shape["H"] * shape["E"] * tokens * tokens / 2
    passes = 0.0
    D, F, E = shape["D"], shape["F"], shape["E"]
    for C, N in ((D, shape["H"] * E), (D, shape["K"] * E), (D, shape["K"] * E), (shape["H"] * E, D), (D, F), (D, F),
                 (F, D)):
        for name, data, times in (("down", 2 * C, again), ("up", 4 * N, again), ("up_backward", 2 * N, 1),
                                  ("down_backward", 6 * C, 1)):
            passes += times * (SMALL + tokens * data / (device["read"] * LORA[name]) / 1e6)
    layer = {"products": base * (again + BACKWARD[kind]),
             "attention": pairs * 4 * again / loop_rate(device, kernels, "attention") / 1e6
             + attention_backward(device, kernels, shape, tokens),
             "LoRA": passes,
             "elementwise": (again + 2) * sum(elementwise(device, shape, tokens, 2).values())
             + 3 * moved(device, tokens * F * 6)}
    return layer, shape["L"] * sum(layer.values()), tokens


# Tokens of LoRA steps, and the share of the layers whose activations do not fit into 139 GiB and are recomputed.
TRAINED = {("70B", "bf16"): ((2048, 1.0), (4096, 1.0)), ("70B", "fp8"): ((2048, 0.0), (8192, 0.4)),
           ("7B", "bf16"): ((2048, 0.0),)}


def workloads():
    """Yields a title and a function (device, kernels) -> (µs of a layer by kernel, µs of all layers, tokens)."""
    for model, kinds in (("70B", ("bf16", "fp8", "int8", "int4")), ("7B", ("bf16",))):
        shape = MODELS[model]
        for kind in kinds:
            for samples in (1, 8, 16, 40):
                yield (f"{model} {kind} decode, {samples} sample{'s' if samples > 1 else ''}",
                       lambda d, k, s=shape, t=kind, n=samples: decode(d, k, s, t, n))
            for tokens, step in ((512, 512), (2048, 512), (2048, 2048)) if kind in ("bf16", "fp8") else ():
                yield (f"{model} {kind} prefill {tokens}" + (f" in steps of {step}" if step < tokens else ""),
                       lambda d, k, s=shape, t=kind, n=tokens, m=step: prefill(d, k, s, t, n, m))
            for tokens, recomputed in TRAINED.get((model, kind), ()):
                yield (f"{model} {kind} LoRA {tokens}",
                       lambda d, k, s=shape, t=kind, n=tokens, r=recomputed: lora(d, k, s, t, n, r))


# ---- report ---------------------------------------------------------------------------------------------------------
def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "| --- |" + " ---: |" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(map(str, row)) + " |"
    yield ""


def figure(value, old=None):
    """Formats a figure with three digits. If the old library has a different figure, that figure comes first."""
    text = "-" if value is None or not math.isfinite(value) or value == 0 else \
        f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return text if old is None or figure(old) == text else f"{figure(old)} → {text}"


def code_rows(kernels, old):
    for name, kernel in sorted(kernels.items(), key=str):
        before = old.get(name, kernel)
        if name[0] == "mid_rows":
            _, kind, gated, tiles = name
            title = f"mid_rows {kind}{' gated' if gated else ''}, {8 * tiles} tokens"
            data = kernel.hmma // tiles * 256 * BYTES[kind]
            per, alu = ([figure(n * 1024 / data)] * 2 for n in (kernel.instructions, kernel.alu))
            blocks = [1 for _ in DEVICES]
        elif isinstance(name, tuple):
            kind, gated, m, tiles, deep = name
            title = f"few_rows {kind}{' gated' if gated else ''} M {m}, {8 * tiles} tokens{'' if deep else ', shallow'}"
            per = [figure(k.instructions * 1024 / turn_bytes(k, kind, tiles)) for k in (before, kernel)]
            alu = [figure(k.alu * 1024 / turn_bytes(k, kind, tiles)) for k in (before, kernel)]
            blocks = [min(2, resident(d, kernel, 256, shared_of(kind, m, tiles, deep)[0])) for d in DEVICES.values()]
        else:
            title, per, alu, blocks = name, ["", ""], ["", ""], ["", ""]
        changed = [pair[-1] if pair[0] == pair[-1] else " → ".join(pair) for pair in (
            [f"{k.registers}" for k in (before, kernel)], [f"{k.spills}" for k in (before, kernel)],
            [f"{k.instructions}" for k in (before, kernel)],
            [f"{100 * k.hmma / k.instructions:.0f} %" for k in (before, kernel)], per, alu)]
        yield title, *changed, *blocks


def report(kernels, old):
    predicted = {title: {name: (function(device, kernels), function(device, old)) for name, device in DEVICES.items()}
                 for title, function in workloads()}
    rate = {title: {name: [tokens * 1e6 / us for _, us, tokens in pair] for name, pair in of.items()}
            for title, of in predicted.items()}
    yield from table(("Llama-2, tokens/s", "predicted 2026-11-28", "measured", "model, H200", "model / measured",
                      "model, A100"), [
        (title, *map(figure, KNOWN.get(title, (None, None))), figure(*of["H200"]),
         figure(100 * of["H200"][0] / KNOWN[title][1]) + " %" if KNOWN.get(title, (0, None))[1] else "-",
         figure(*of["A100"])) for title, of in rate.items()])
    names = list(dict.fromkeys(name for of in predicted.values() for name in of["H200"][0][0]))
    yield from table(("µs of a layer, H200", *names), [
        (title, *(figure(of["H200"][0][0].get(name), of["H200"][1][0].get(name)) for name in names))
        for title, of in predicted.items()])
    yield from table(("loop with tensor core instructions", "registers", "spills", "instructions", "HMMA",
                      "instructions per KiB of weight", "of the ALU pipe",
                      *(f"blocks per multiprocessor, {name}" for name in DEVICES)), code_rows(kernels, old))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", nargs="?", type=Path, default=ROOT / "build/release/lib/libingrain_cuda.so")
    parser.add_argument("--against", type=Path, metavar="OLD")
    parser.add_argument("--output", type=Path, metavar="FILE")
    options = parser.parse_args()
    kernels = read(options.library)
    text = "\n".join(report(kernels, read(options.against) if options.against else kernels))
    if not options.output:
        return print(text)
    head, kept = options.output.read_text().split(HISTORY)
    options.output.write_text(head[:head.index("\n| Llama-2, tokens/s |") + 1] + text + HISTORY[1:] + kept)


if __name__ == "__main__":
    main()
