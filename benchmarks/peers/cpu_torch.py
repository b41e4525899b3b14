"""Measures transformers and PEFT for cpu.py, and prints one JSON object: tokens per second by test.

    python3 benchmarks/peers/cpu_torch.py sampling|training|stage|start DIR bf16|f32 THREADS SIZES

SIZES is a JSON object: prompts, tokens, n, train, stage. The prompt is computed once, and its cache is copied for each
sample. `generate` would compute the prompt once for each sample.
"""

import json
import sys
import time

import torch
import transformers


def seconds(work, warm=True):
    if warm:
        work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def prompt(length, vocabulary):
    return torch.tensor([[(i * 2654435761 + 12345) % vocabulary for i in range(length)]])


def decode(model, ids, samples, tokens):
    """Decodes `tokens` tokens of each sample; returns the ids of the last."""
    cache = transformers.DynamicCache(config=model.config)
    logits = model(ids, past_key_values=cache, logits_to_keep=1).logits[:, -1]
    if samples > 1:
        cache.batch_repeat_interleave(samples)
        logits = logits.repeat_interleave(samples, 0)
    for step in range(tokens):
        chosen = torch.multinomial(logits.float().softmax(-1), 1) if samples > 1 else logits.argmax(-1, keepdim=True)
        if step < tokens - 1:
            logits = model(chosen, past_key_values=cache).logits[:, -1]
    return chosen


def sampling(model, sizes):
    vocabulary, tokens = model.config.vocab_size, sizes["tokens"]
    for length in sizes["prompts"]:
        ids = prompt(length, vocabulary)
        yield f"pp{length}", length / seconds(lambda: model(ids, logits_to_keep=1, use_cache=True))
    yield f"tg{tokens}", tokens / seconds(lambda: decode(model, prompt(1, vocabulary), 1, tokens))
    length = sizes["prompts"][0]
    for n in sizes["n"]:
        work = seconds(lambda: decode(model, prompt(length, vocabulary), n, tokens), warm=False)
        yield f"pp{length}+tg{tokens}x{n}", n * tokens / work


def training(model, sizes):
    import peft

    length = sizes["train"]
    tuned = peft.get_peft_model(
        model, peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    ).train()
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-4)
    ids = prompt(length, model.config.vocab_size)

    def step():
        optimizer.zero_grad()
        tuned(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()

    yield f"train{length}", length / seconds(step)


def stage(model, sizes):
    sizes = sizes["stage"]
    for _ in range(sizes["prompts"]):
        decode(model, prompt(24, model.config.vocab_size), sizes["samples"], sizes["tokens"])
    return iter(())


def start(model, sizes):
    decode(model, prompt(1, model.config.vocab_size), 1, 1)
    return iter(())


def main():
    test, folder, dtype, threads, sizes = sys.argv[1:]
    torch.set_num_threads(int(threads))
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype={"bf16": torch.bfloat16, "f32": torch.float32}[dtype]).eval()
    measured = {"sampling": sampling, "training": training, "stage": stage, "start": start}[test]
    with torch.set_grad_enabled(test == "training"):
        print(json.dumps(dict(measured(model, json.loads(sizes)))))


if __name__ == "__main__":
    main()
