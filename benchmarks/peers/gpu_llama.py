"""A Llama in PyTorch for measuring: compiled blocks, a static cache, LoRA, fp8 base weights. Weights are random."""
import contextlib
import dataclasses

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

# Attention backends, best first. If PyTorch cannot use a backend, it uses the next one. With one query per head, flash
# is best, because it divides the keys over the GPU. With many queries, cuDNN is best on Hopper. Without a mask, flash
# and cuDNN allow K and V to have fewer heads than Q. The last backend uses no fused kernel.
FLASH_FIRST = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH]
CUDNN_FIRST = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
NO_CUDNN = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


@dataclasses.dataclass(frozen=True)
class Shape:
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    eps: float
    theta: float

    @staticmethod
    def of(config):
        heads = config["num_attention_heads"]
        return Shape(
            config["hidden_size"],
            config["intermediate_size"],
            config["num_hidden_layers"],
            heads,
            config["num_key_value_heads"],
            config.get("head_dim", config["hidden_size"] // heads),
            config["vocab_size"],
            config.get("rms_norm_eps", 1e-5),
            config.get("rope_theta", 10000.0),
        )


class Linear(nn.Module):
    """A frozen weight (N, C) in bf16, or in E4M3 with one scale per row. rank is the LoRA rank; 0 means no LoRA."""

    def __init__(self, rows, columns, device, fp8=False, rank=0):
        super().__init__()
        weight = torch.empty(rows, columns, device=device, dtype=torch.bfloat16).normal_(0, columns**-0.5)
        self.fp8, self.rank = fp8, rank
        if fp8:
            scales = weight.abs().amax(1, keepdim=True).float() / 448
            self.register_buffer("scales", scales)
            weight = (weight / scales.to(weight.dtype)).to(torch.float8_e4m3fn)
        self.register_buffer("weight", weight)
        if rank:
            self.a = nn.Parameter(torch.randn(rank, columns, device=device) * columns**-0.5)
            self.b = nn.Parameter(torch.zeros(rows, rank, device=device))

    def forward(self, x):
        if self.fp8:
            flat = x.reshape(-1, x.shape[-1])
            scales = flat.abs().amax(1, keepdim=True).float().clamp_min(1e-12) / 448
            y = torch._scaled_mm(
                (flat / scales).to(torch.float8_e4m3fn),
                self.weight.t(),
                scale_a=scales,
                scale_b=self.scales.t(),
                out_dtype=torch.bfloat16,
                use_fast_accum=True,
            ).view(*x.shape[:-1], -1)
        else:
            y = F.linear(x, self.weight)
        return y + 2 * F.linear(F.linear(x, self.a.to(x.dtype)), self.b.to(x.dtype)) if self.rank else y


def rotate(x, cos, sin):
    """Returns x (B, heads, T, E) after rope."""
    first, second = x.float().chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1).to(x.dtype)


def grouped(q, heads):
    """Returns q (B, H, 1, E) as (B, K, H / K, E). The query heads that share a head of K and V become rows of one head,
    so that no backend copies K and V."""
    return q.unflatten(1, (heads, -1)).squeeze(3)


def attend(q, k, v):
    """Returns the attention (B, H, T, E) of q (B, H, T, E) over k and v (B, K, S, E). A single query (T = 1) sees all
    S keys. Otherwise T = S, and attention is causal."""
    if q.shape[2] == 1:
        return F.scaled_dot_product_attention(grouped(q, k.shape[1]), k, v).flatten(1, 2).unsqueeze(2)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])


class Block(nn.Module):
    def __init__(self, shape, device, fp8, rank):
        super().__init__()
        self.shape = shape
        width = shape.heads * shape.head_dim
        kv = shape.kv_heads * shape.head_dim
        linear = lambda rows, columns: Linear(rows, columns, device, fp8, rank)
        if rank:  # LoRA has one adapter per projection
            self.projections = nn.ModuleList(
                [linear(width, shape.hidden), linear(kv, shape.hidden), linear(kv, shape.hidden)]
            )
            self.gates = nn.ModuleList(
                [linear(shape.intermediate, shape.hidden), linear(shape.intermediate, shape.hidden)]
            )
        else:
            self.projections = nn.ModuleList([linear(width + 2 * kv, shape.hidden)])
            self.gates = nn.ModuleList([linear(2 * shape.intermediate, shape.hidden)])
        self.o, self.down = linear(shape.hidden, width), linear(shape.hidden, shape.intermediate)
        for name in ("norm1", "norm2"):
            self.register_buffer(name, torch.ones(shape.hidden, device=device, dtype=torch.bfloat16))

    def forward(self, x, cos, sin, cache=None, position=None, seen=None):
        """Computes the block for x (B, T, D). If there is a cache (k, v), each (B, K, S, E), the keys and values of the
        T tokens are written at `position` (T). If `seen` is given, T is 1 and the query attends to the first `seen`
        entries of the cache."""
        s = self.shape
        h = F.rms_norm(x, (s.hidden,), self.norm1, s.eps)
        qkv = torch.cat([p(h) for p in self.projections], -1) if len(self.projections) > 1 else self.projections[0](h)
        q, k, v = (part.unflatten(-1, (-1, s.head_dim)).transpose(1, 2) for part in
                   qkv.split([s.heads * s.head_dim, s.kv_heads * s.head_dim, s.kv_heads * s.head_dim], -1))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            cache[0].index_copy_(2, position, k)
            cache[1].index_copy_(2, position, v)
            if seen is not None:
                k, v = cache[0][:, :, :seen], cache[1][:, :, :seen]
        x = x + self.o(attend(q, k, v).transpose(1, 2).flatten(2))
        h = F.rms_norm(x, (s.hidden,), self.norm2, s.eps)
        gate, up = (g(h) for g in self.gates) if len(self.gates) > 1 else self.gates[0](h).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Llama(nn.Module):
    def __init__(self, shape, device, fp8=False, rank=0):
        super().__init__()
        self.shape, self.device = shape, device
        self.blocks = nn.ModuleList(Block(shape, device, fp8, rank) for _ in range(shape.layers))
        self.embed = torch.empty(shape.vocab_size, shape.hidden, device=device, dtype=torch.bfloat16).normal_()
        self.head = Linear(shape.vocab_size, shape.hidden, device)
        self.norm = torch.ones(shape.hidden, device=device, dtype=torch.bfloat16)
        self.cache = None
        self.compile_blocks(False)

    def compile_blocks(self, compiled):
        """Compiles the blocks. Sizes are constants of the compiled code, and weights and caches are its inputs, so all
        layers share one compiled graph."""
        self.compiled = compiled
        self.call = torch.compile(Block.forward, dynamic=False) if compiled else Block.forward

    def adapters(self):
        return [p for p in self.parameters() if p.requires_grad]

    def weight_bytes(self):
        """Returns the bytes of the weights that one pass reads: every weight once, without the embedding."""
        return sum(b.numel() * b.element_size() for b in self.buffers())

    def make_cache(self, batch, length):
        s = self.shape
        self.cache = None
        self.make_rotation(length)
        self.cache = [
            tuple(
                torch.zeros(batch, s.kv_heads, length, s.head_dim, device=self.device, dtype=torch.bfloat16)
                for _ in range(2)
            )
            for _ in range(s.layers)
        ]

    def make_rotation(self, length):
        s = self.shape
        angles = torch.arange(length, device=self.device)[:, None] * s.theta ** (
            -torch.arange(0, s.head_dim, 2, device=self.device) / s.head_dim
        )
        self.cos, self.sin = angles.cos(), angles.sin()

    @contextlib.contextmanager
    def attention(self, batch, tokens, seen=None):
        """Selects the attention backend for `tokens` new tokens while the block is compiled and run. Yields the name
        of the backend that PyTorch uses."""
        s = self.shape
        like = lambda heads, count: torch.empty(
            batch, heads, count, s.head_dim, device=self.device, dtype=torch.bfloat16
        )
        q, k = like(s.heads, tokens), like(s.kv_heads, seen or tokens)
        q = grouped(q, s.kv_heads) if seen else q
        choose = lambda: torch._fused_sdp_choice(q, k, k, is_causal=not seen, enable_gqa=q.shape[1] != k.shape[1])
        choose()  # the first selection in a process only activates PyTorch's own order of backends
        preferred = FLASH_FIRST if seen else CUDNN_FIRST
        with sdpa_kernel(preferred if self.compiled else NO_CUDNN, set_priority=True):
            choice = choose()
            yield next((name for name, value in SDPBackend.__members__.items() if int(value) == choice), str(choice))

    def hidden(self, ids, position, seen=None):
        x = F.embedding(ids, self.embed)
        cos, sin = self.cos[position], self.sin[position]
        for block, cache in zip(self.blocks, self.cache):
            x = self.call(block, x, cos, sin, cache, position, seen)
        return F.rms_norm(x[:, -1:], (self.shape.hidden,), self.norm, self.shape.eps)

    @torch.no_grad()
    def prefill(self, ids):
        return self.head(self.hidden(ids, torch.arange(ids.shape[1], device=self.device)))

    @torch.no_grad()
    def step(self, ids, position, seen):
        """Returns the next id of each row (B, 1), drawn at temperature 1."""
        p = self.head(self.hidden(ids, position, seen))[:, -1].float().softmax(-1)
        return (p / torch.empty_like(p).exponential_(1)).argmax(-1, keepdim=True)

    def loss(self, ids, checkpointing):
        """Returns the mean cross-entropy of ids (1, T) except the first id. make_rotation(T) must be called before."""
        x = F.embedding(ids, self.embed)
        for block in self.blocks:
            x = (
                checkpoint(self.call, block, x, self.cos, self.sin, use_reentrant=False)
                if checkpointing
                else self.call(block, x, self.cos, self.sin)
            )
        logits = self.head(F.rms_norm(x, (self.shape.hidden,), self.norm, self.shape.eps))
        return F.cross_entropy(logits[0, :-1].float(), ids[0, 1:])


def capture(model, batch, at, graph):
    """Returns a function that runs a decode step at position `at` of every row, as a CUDA graph if requested and
    possible. The position is the same in every step, so the step reads exactly the `at` + 1 used entries, without a
    mask. This is PyTorch's best case, because a growing answer would cost more."""
    ids = torch.randint(model.shape.vocab_size, (batch, 1), device=model.device)
    position = torch.tensor([at], device=model.device)
    step = lambda: ids.copy_(model.step(ids, position, at + 1))
    if not (graph and model.device.type == "cuda"):
        return step
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # compiles the blocks; libraries create their handles and plans
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        step()

    def replay():
        recorded.replay()
        return ids, position  # the graph uses the addresses of these tensors but does not keep the tensors alive
    return replay
