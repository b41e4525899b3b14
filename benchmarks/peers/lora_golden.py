"""Records training runs of a small random Llama in PyTorch, in F32: ten steps of LoRA (PEFT) and five steps of full
fine-tuning.

    python benchmarks/peers/lora_golden.py java/engine/src/test/resources/org/ingrain/train/golden

Writes two folders, for a model with a tied head and for one with an untied head. Each folder has the base model, the
adapter before and after training, the weights after full fine-tuning, and golden.json with batches, settings, and the
loss and the gradient norm of each step. DecoderTrainingGoldenTest starts from the same weights. Needs torch,
transformers, peft and safetensors.
"""

import json
import shutil
import sys
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, get_scheduler

OPTIMIZER = {
    "learning_rate": 5e-3,
    "beta1": 0.9,
    "beta2": 0.99,
    "eps": 1e-8,
    "weight_decay": 0.05,
    "max_grad_norm": 0.5,
    "min_learning_rate_ratio": 0.1,
}
LORA = {"rank": 4, "alpha": 8}
LORA_STEPS, FULL_STEPS = 10, 5
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def batches(vocab):
    """Returns two ragged batches. In each sequence the loss includes the tokens from `target` on."""
    generator = torch.Generator().manual_seed(5)
    return [[{"ids": torch.randint(vocab, (n,), generator=generator).tolist(), "target": target} for n, target in batch]
            for batch in ([(17, 9), (2, 1), (33, 20)], [(8, 1), (25, 24), (7, 3), (12, 6)])]


def train(model, data, steps):
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": OPTIMIZER["weight_decay"]},
              {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=OPTIMIZER["learning_rate"], betas=(OPTIMIZER["beta1"], OPTIMIZER["beta2"]),
                                  eps=OPTIMIZER["eps"])
    schedule = get_scheduler("cosine_with_min_lr", optimizer, num_warmup_steps=0, num_training_steps=steps,
                             scheduler_specific_kwargs={"min_lr_rate": OPTIMIZER["min_learning_rate_ratio"]})
    losses, norms = [], []
    for step in range(steps):
        batch = data[step % len(data)]
        total = sum(len(s["ids"]) - s["target"] for s in batch)
        optimizer.zero_grad()
        loss = 0
        for s in batch:
            ids = torch.tensor([s["ids"]], device=model.device)
            logits = model(input_ids=ids).logits[0, s["target"] - 1:-1]
            loss = loss + torch.nn.functional.cross_entropy(logits, ids[0, s["target"]:], reduction="sum") / total
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, OPTIMIZER["max_grad_norm"]).item())
        losses.append(loss.item())
        optimizer.step()
        schedule.step()
    return {"losses": losses, "grad_norms": norms}


def adapter(model, file):
    save_file(
        {name.replace(".default", ""): p.detach().clone() for name, p in model.named_parameters() if "lora_" in name},
        file,
        {"format": "pt"},
    )


def golden(folder, tied):
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    config = LlamaConfig(
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        vocab_size=48,
        max_position_embeddings=64,
        initializer_range=0.2,
        tie_word_embeddings=tied,
        attn_implementation="eager",
    )
    base = LlamaForCausalLM(config).float()
    for name, p in base.named_parameters():
        if "norm" in name:
            p.data.uniform_(0.5, 1.5)
    base.save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    data = batches(config.vocab_size)

    lora = get_peft_model(
        LlamaForCausalLM.from_pretrained(folder, attn_implementation="eager"),
        LoraConfig(r=LORA["rank"], lora_alpha=LORA["alpha"], lora_dropout=0.0, target_modules=TARGETS),
    )
    adapter(lora, folder / "adapter_before.safetensors")
    lora_run = train(lora, data, LORA_STEPS)
    adapter(lora, folder / "adapter_after.safetensors")

    full = LlamaForCausalLM.from_pretrained(folder, attn_implementation="eager")
    full_run = train(full, data, FULL_STEPS)
    full.save_pretrained(folder / "full")
    shutil.move(folder / "full" / "model.safetensors", folder / "full_after.safetensors")
    shutil.rmtree(folder / "full")
    versions = {m.__name__: m.__version__ for m in (torch, transformers, peft)}
    (folder / "golden.json").write_text(
        json.dumps(
            {
                "versions": versions,
                "optimizer": OPTIMIZER,
                "lora": LORA,
                "batches": data,
                "lora_run": lora_run,
                "full_run": full_run,
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    golden(target / "tied", True)
    golden(target / "untied", False)
