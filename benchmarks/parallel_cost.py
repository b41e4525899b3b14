#!/usr/bin/env python3
"""Estimates the time of sampling and LoRA training on 2, 4 and 8 GPUs, for placements of tp ranks and dp copies. The
estimate adds the times of computation, memory accesses and messages.

Usage: benchmarks/parallel_cost.py [FILE]     writes a Markdown table (default: benchmarks/results/parallel-cost.md)

No figure in the table is a measurement. The single-GPU column is compared with measurements on one H200 at the end of
the file. Needs the standard library only.
"""
import pathlib
import sys
import textwrap

HERE = pathlib.Path(__file__).resolve().parent
GIB = 1 << 30

# ---- facts --------------------------------------------------------------------------------------------------------
# Llama 2 (arXiv:2307.09288): hidden size D, layers L, feed-forward F, query heads H, key-value heads K, vocabulary V.
MODELS = {
    "70B": dict(D=8192, L=80, F=28672, H=64, K=8, E=128, V=32000),
    "7B": dict(D=4096, L=32, F=11008, H=32, K=32, E=128, V=32000),
}

# The bandwidth and the bf16 rate of the H200 were measured with PyTorch (results/h200.md): the bandwidth for a copy
# (bytes read + written), the rate for a matrix product of random data. fp8: published rates of row-scaled products on
# an H100 are 1.13 to 1.22 PFLOP/s. Memory of the H200: results/h200.md. H100 SXM and A100 SXM 80 GB: the values of
# NVIDIA's data sheets (3.35 and 2.04 TB/s, 989 and 312 TFLOP/s bf16), each multiplied by the share that the H200
# reached of its own data-sheet value (4.8 TB/s, 989 TFLOP/s). fp8 weights need sm_89 or newer. NVLink of Hopper and
# Ampere: 900 and 600 GB/s, the sum of both directions (data sheets). PCIe 5.0 and 4.0 x16: 64 and 32 GB/s per
# direction.
LINK = 0.8          # assumed share of a link's data-sheet rate that a kernel reaches
CARDS = {
    "H200": dict(bw=4.3e12, bf16=788e12, fp8=1.2e15, memory=139.8 * GIB, nvlink=450e9 * LINK, pcie=64e9 * LINK),
    "H100": dict(bw=4.3e12 * 3.35 / 4.8, bf16=788e12, fp8=1.2e15, memory=79.6 * GIB, nvlink=450e9 * LINK,
                 pcie=64e9 * LINK),
    "A100": dict(bw=4.3e12 * 2.04 / 4.8, bf16=788e12 * 312 / 989, fp8=None, memory=79.2 * GIB, nvlink=300e9 * LINK,
                 pcie=32e9 * LINK),
}
# Latency of one collective. NVLink: published one-shot kernels take about 8 us, NCCL's ring about 20 us. PCIe: an
# assumption.
LATENCY = {"nvlink": 8e-6, "pcie": 20e-6}

# ---- assumptions: fitted to results/h200.md, whose rows are repeated in MEASURED ------------------------------------
REACHED = 0.85      # share of the product rate that whole prefills reach
ATTENTION = 0.35    # share of the product rate that attention reaches
LAYER = {"bf16": 35e-6, "fp8": 55e-6}     # seconds per layer in addition to its products: norms, rope, cache, gaps
TRAINED = 2.8e-11   # seconds per token, layer and element of D + F: adapters, norms, loss, optimizer
DRIVER = 1 * GIB    # memory that the driver uses (driver_bytes of the CUDA backend)
WORK = 2 * GIB      # memory of workspace, logits and staging
CONTEXT = 768       # tokens of a sample: a prompt of 512 and, on average, 256 generated tokens
ONE_SHOT = 256 << 10    # up to this number of bytes per rank, all_reduce has one shot (cuda/ops/collectives.cu)
KEPT = 14.7e6 / 80 / 8192    # bytes per token, layer and hidden element that training keeps without recomputing
RECOMPUTED = 1.31e6 / 80 / 8192    # bytes per token, layer and hidden element with full recomputing
ADAPTER_RANK = 16

NAMED = """- The time of a step is the sum of memory time, compute time, a fixed time per layer, and the time for
  messages. Nothing overlaps.
- All GPUs of a machine can exchange data with all others at the full rate of their links at the same time (NVSwitch, or
  a PCIe switch with peer access). A collective takes its latency plus the time for the bytes that a rank receives.
- Messages are those of our own kernels without `--deterministic`: two all_reduce per layer, with one f32 partial sum
  per rank. For messages of at most 256 KiB per rank, each rank reads the partial sums of all other ranks. For larger
  messages, each rank first reads the other ranks' partial sums of its own part, and then the other parts of the bf16
  result. The logits are gathered if there are at least 4 ranks. NCCL handles messages over 1 MiB if it is found; it is
  assumed to take the same time.
- Copies (dp) do not communicate while they sample. In training, each step ends with one all_reduce of the adapter's
  gradients.
- Sampling: all samples share one prompt of 512 tokens, and each has 256 generated tokens on average, as in the paper's
  methods. The shared prompt is read once. The cache is in bf16. Each copy computes its share of the sequences. A
  placement with more copies than sequences is not listed.
- Training: LoRA of rank 16 on all projections, with one row of 2048 or 4096 tokens per micro-batch and copy. If the
  activations do not fit into memory, all layers are recomputed; otherwise no layer is.
- fp8 means fp8 weights, bf16 activations between the products, and a bf16 cache. An A100 has no fp8.
- A rank never waits for a slower rank."""


class Model:
    def __init__(self, name, dtype, layers=None):
        m = MODELS[name]
        self.name, self.dtype, self.D, self.L, self.F = name, dtype, m["D"], layers or m["L"], m["F"]
        self.H, self.K, self.E, self.V = m["H"], m["K"], m["E"], m["V"]
        self.layer = self.D * (self.H + 2 * self.K) * self.E + self.H * self.E * self.D + 3 * self.D * self.F
        self.table = self.V * self.D
        self.params = self.L * self.layer + 2 * self.table
        self.element = 1 if dtype == "fp8" else 2
        self.bytes = self.L * self.layer * self.element + 2 * self.table * 2
        self.read = self.bytes - self.table * 2            # a pass reads only a few rows of the embedding
        self.flops = 2 * (self.L * self.layer + self.table)   # per token of a forward pass
        self.cached = 2 * self.L * self.K * self.E * 2     # bytes of keys and values per token
        self.adapter = ADAPTER_RANK * self.L * (2 * self.D + (self.H + 2 * self.K) * self.E + self.D * 2
                                                + self.H * self.E + 3 * (self.D + self.F))


def rate(card, model):
    return CARDS[card][model.dtype]


def messages(model, tokens, tp, element=2):
    """Returns the bytes that a rank receives in one all_reduce of (tokens, D) with results of `element` bytes."""
    n = tokens * model.D
    if tp == 1:
        return 0
    return (tp - 1) * n * 4 if n * 4 <= ONE_SHOT else (tp - 1) * n * (4 + element) / tp


def step(card, link, model, tokens, read_tokens, attended, tp):
    """Returns five numbers. Four are the seconds that a forward pass spends on memory accesses, computation, the fixed
    time of layers, and messages. The fifth is the number of bytes that a rank receives."""
    c = CARDS[card]
    kv = max(1, model.K // tp) / model.K               # with more ranks than heads, several ranks hold the same head
    memory = (model.read / tp + read_tokens * model.cached * kv) / c["bw"]
    compute = tokens * model.flops / tp / (rate(card, model) * REACHED)
    compute += 4 * model.H * model.E * model.L * tokens * attended / tp / (c["bf16"] * ATTENTION)
    layers = model.L * LAYER[model.dtype]
    received = 2 * model.L * messages(model, tokens, tp)
    calls = 2 * model.L if tp > 1 else 0
    if tp >= 4:
        received += (tp - 1) * min(tokens, 256) * model.V / tp * 4
        calls += 1
    return memory, compute, layers, (calls * LATENCY[link] + received / c[link] if tp > 1 else 0), received


def sampling(card, link, model, sequences, tp, dp):
    """Returns whether the memory of a GPU suffices (fits), the bytes needed per GPU, the tokens per second of all
    copies together, and the seconds of the parts of a step."""
    own = -(-sequences // dp)
    cache = (512 + own * 256) * model.cached * max(1, model.K // tp) / model.K
    need = model.bytes / tp + cache + WORK + DRIVER
    parts = step(card, link, model, own, 512 + own * 256, CONTEXT, tp)
    seconds = sum(parts[:4])
    return dict(fits=need <= CARDS[card]["memory"], need=need, rate=sequences / seconds, parts=parts[:4])


def training(card, link, model, length, tp, dp):
    c = CARDS[card]
    state = 4 * 4 * model.adapter / tp                    # values, gradients, two moments
    base = model.bytes / tp + state + WORK + DRIVER + length * model.D * 4 * (tp > 1)
    kept = length * model.L * model.D * KEPT / tp
    least = length * model.L * model.D * RECOMPUTED + length * model.D * KEPT / tp
    recomputes = base + kept > c["memory"]
    need = base + (least if recomputes else kept)
    # The passes are the forward pass, its repetition if layers are recomputed, and the input gradients.
    passes = 3 if recomputes else 2
    memory, compute, layers, talk, _ = step(card, link, model, length, 0, length / 2, tp)
    memory, compute, layers = memory * passes, compute * passes, layers * passes
    layers += TRAINED * length * model.L * (model.D + model.F) / tp
    if tp > 1:
        talk = talk * (passes - 1) + 10 * model.L * LATENCY[link] + back(model, length, tp) / c[link]
    if dp > 1:
        talk += LATENCY[link] + (dp - 1) * model.adapter / tp * 4 / c[link]
    seconds = memory + compute + layers + talk
    return dict(fits=need <= c["memory"], need=need, rate=dp * length / seconds, parts=(memory, compute, layers, talk),
                recomputes=recomputes)


def back(model, length, tp):
    """Returns the bytes that a rank receives in the backward pass of one micro-batch."""
    inputs = 2 * model.L * messages(model, length, tp)              # input gradients
    # The second summand is for x·Aᵀ and dy·B of the projections that are divided over ranks.
    return inputs + 4 * model.L * (tp - 1) * length * ADAPTER_RANK * 4


def placements(cards, model):
    return [(tp, cards // tp) for tp in (1, 2, 4, 8) if cards % tp == 0]


def case_rows(card, link, model, cards, case, size):
    found = []
    for tp, dp in placements(cards, model):
        if case == "sample" and dp > size:
            continue
        r = (sampling if case == "sample" else training)(card, link, model, size, tp, dp)
        found.append((tp, dp, r))
    return found


CASES = (("sample", 1), ("sample", 40), ("sample", 256), ("train", 2048), ("train", 4096))


def best(card, link, cards, model, case):
    rows = case_rows(card, link, model, cards, *case)
    fit = [row for row in rows if row[2]["fits"]]
    return max(fit, key=lambda row: row[2]["rate"]) if fit else None


def chosen(card, link, cards, model, case):
    found = best(card, link, cards, model, case)
    return "no" if not found else "%dx%d%s %.0f" % (*found[:2], "r" if found[2].get("recomputes") else "",
                                                   found[2]["rate"])


def details(card, cards, model, case):
    found = best(card, "nvlink", cards, model, case)
    return "" if not found else "%s, %.0f" % ("+".join("%.0f" % (1e3 * p) for p in found[2]["parts"]),
                                             found[2]["need"] / GIB)


def tables(lines, model):
    head = "| GPUs | 1 sequence | 40 | 256 | LoRA 2048 | LoRA 4096 |"
    rows = [(card, cards) for card in CARDS if rate(card, model) for cards in (1, 2, 4, 8)]
    lines += ["", "### %s %s" % (model.name, model.dtype), "", head, "|---|---|---|---|---|---|"]
    for card, cards in rows:
        lines.append("| %d %s | %s |" % (cards, card, " | ".join(
            chosen(card, "nvlink", cards, model, case) + ("" if cards == 1 else
            " / " + chosen(card, "pcie", cards, model, case)) for case in CASES)))
    lines += ["", "Milliseconds per step, and GiB per GPU, with NVLink:", "", head, "|---|---|---|---|---|---|"]
    for card, cards in rows:
        lines.append("| %d %s | %s |" % (cards, card, " | ".join(details(card, cards, model, case) for case in CASES)))


def received(lines):
    lines += ["", "## Bytes that a rank receives for a token", "",
              "The table is for one copy: for sampling, and for a LoRA step of 2048 tokens in which no layer is "
              "recomputed. A training step of dp copies adds (dp - 1) times the adapter's gradients: %.0f MB "
              "(70B), %.0f MB (7B), divided by tp." % tuple(
                  4e-6 * Model(name, "bf16").adapter for name in ("70B", "7B")), "",
              "| model | tp | sampling | LoRA |", "|---|---|---|---|"]
    for name in MODELS:
        model = Model(name, "bf16")
        for tp in (2, 4, 8):
            trained = step("H200", "nvlink", model, 2048, 0, 0, tp)[4] / 2048 + back(model, 2048, tp) / 2048
            lines.append("| %s | %d | %.1f MB | %.1f MB |" % (
                name, tp, 1e-6 * step("H200", "nvlink", model, 1, 0, 0, tp)[4], 1e-6 * trained))


# Ingrain's rows of results/h200.md: model, type, layers, test, size, milliseconds.
MEASURED = [
    ("70B", "bf16", 40, "decode", 1, 17.3), ("70B", "bf16", 40, "decode", 8, 18.4),
    ("70B", "bf16", 40, "decode", 40, 20.5), ("70B", "bf16", 40, "prefill", 512, 57.6),
    ("70B", "bf16", 40, "prefill", 2048, 233), ("70B", "bf16", 40, "LoRA", 2048, 545),
    ("7B", "bf16", 32, "decode", 1, 4.37), ("7B", "bf16", 32, "decode", 8, 4.81),
    ("7B", "bf16", 32, "decode", 40, 6.29),
    ("7B", "bf16", 32, "prefill", 512, 13.5), ("7B", "bf16", 32, "prefill", 2048, 50.6),
    ("7B", "bf16", 32, "LoRA", 2048, 131),
    ("70B", "bf16", 80, "decode", 1, 34.5), ("70B", "bf16", 80, "decode", 8, 36.6),
    ("70B", "bf16", 80, "prefill", 512, 112), ("70B", "bf16", 80, "prefill", 2048, 482),
    ("70B", "bf16", 80, "LoRA", 2048, 1435),
    ("70B", "fp8", 40, "decode", 1, 10.3), ("70B", "fp8", 40, "decode", 8, 11.4),
    ("70B", "fp8", 40, "decode", 40, 15.1),
    ("70B", "fp8", 40, "prefill", 512, 33.1), ("70B", "fp8", 40, "prefill", 2048, 139),
    ("70B", "fp8", 40, "LoRA", 2048, 396),
]


def predicted(model, test, size):
    if test == "LoRA":
        return sum(training("H200", "nvlink", model, size, 1, 1)["parts"])
    if test == "prefill":
        return sum(step("H200", "nvlink", model, size, 0, size / 2, 1)[:4])
    return sum(step("H200", "nvlink", model, size, 512 + size * 256, CONTEXT, 1)[:4])


def check_measured():
    """Fails if a row of MEASURED is no longer in results/h200.md."""
    text = (HERE / "results" / "h200.md").read_text()
    for name, dtype, layers, test, size, ms in MEASURED:
        whole = layers == MODELS[name]["L"]
        label = "llama-2-%s %s%s" % (name.lower(), dtype, "" if whole else ", %d layers" % layers)
        row = "| %s | %s%s %d | ingrain | %s |" % (label, test, " step" if test == "LoRA" else "", size, ms)
        if row not in text:
            sys.exit("parallel_cost.py: results/h200.md has no row '%s'" % row)


def errors(lines):
    lines += ["", "## One H200: model and measurement", "",
              "The measured rows are those of [h200.md](h200.md). Four constants of the script (`REACHED`, "
              "`ATTENTION`, `LAYER` and `TRAINED`) were fitted to these rows by hand, so the error shows how well the "
              "constants describe the rows. The error says nothing about several GPUs.", "",
              "| model | test | measured ms | model ms | error |", "|---|---|---|---|---|"]
    worst, total = 0, 0
    for name, dtype, layers, test, size, ms in MEASURED:
        model = 1e3 * predicted(Model(name, dtype, layers), test, size)
        error = model / ms - 1
        worst, total = max(worst, abs(error)), total + abs(error)
        lines.append("| %s %s, %d layers | %s %d | %s | %.1f | %+.0f %% |" % (
            name, dtype, layers, test, size, ms, model, 100 * error))
    lines += ["", "The mean absolute error is %.0f %%, and the largest is %.0f %%." % (
        100 * total / len(MEASURED), 100 * worst)]


def main():
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "results" / "parallel-cost.md"
    check_measured()
    lines = ["# Estimated cost of several GPUs", "",
             "Written by `benchmarks/parallel_cost.py`. **Only the column “measured” was measured**: "
             "no machine with several GPUs has run Ingrain. dp is the number of copies of the model, and tp is "
             "the number of ranks that share one copy.", "",
             "A cell has the fastest placement tp x dp that fits into memory, and its tokens per second, first with "
             "NVLink, then with PCIe. \"r\" means that layers are recomputed, and \"no\" means that no placement fits. "
             "The second table of each case is for NVLink. It has the time of a step in ms as a sum (memory + compute "
             "+ the fixed part + messages), and the memory that a GPU needs in GiB.", "",
             "## Assumptions", "", NAMED, "", "## Cases"]
    for name, dtype in (("70B", "bf16"), ("70B", "fp8"), ("7B", "bf16")):
        tables(lines, Model(name, dtype))
    received(lines)
    errors(lines)
    prose = [line if line.startswith(("|", "-", "#")) or "\n" in line else textwrap.fill(line, 120) for line in lines]
    target.write_text("\n".join(prose) + "\n")


if __name__ == "__main__":
    main()
