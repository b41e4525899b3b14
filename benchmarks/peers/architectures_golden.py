"""Makes golden values of a small random model of each architecture with PyTorch, in F32: log-probabilities, ten steps
of LoRA (PEFT) and five steps of full fine-tuning.

    python benchmarks/peers/architectures_golden.py java/engine/src/test/resources/org/ingrain/train/architectures

Writes one folder per model: config.json, the base model, the adapter that PEFT saved before and after training, and
golden.json with batches, settings, log-probabilities, the loss and the gradient norm of each step, and the biases and
norms after full fine-tuning. ArchitecturesTest computes the same values with Ingrain. Needs torch, transformers, peft
and safetensors.
"""

import json
import shutil
import sys
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

import lora_golden

SHAPE = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 32,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "attn_implementation": "eager",
}
YARN = {"rope_type": "yarn", "rope_theta": 10.0, "factor": 4.0, "original_max_position_embeddings": 16}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10.0, "factor": 2.0}
# The longest sequence has 33 tokens, so a window of 40 has no effect.
MODELS = {
    "mistral": (MistralConfig, {"sliding_window": 40, "tie_word_embeddings": False}),
    "qwen2": (Qwen2Config, {"tie_word_embeddings": True}),
    "qwen3": (Qwen3Config, {"head_dim": 16, "tie_word_embeddings": False}),
    "qwen2_yarn": (Qwen2Config, {"tie_word_embeddings": True, "rope_parameters": YARN}),
    "llama_dynamic": (LlamaConfig, {"tie_word_embeddings": True, "rope_parameters": DYNAMIC}),
}


def randomize(model):
    """Sets norms and biases, which are initialised with ones and zeros, to random values, so that an implementation
    that ignores them gives wrong results."""
    for name, p in model.named_parameters():
        if "norm" in name:
            p.data.uniform_(0.5, 1.5)
        elif name.endswith(".bias"):
            p.data.normal_(0, 0.5)


def log_probabilities(model, data):
    """Returns the log-probability of each token of each sequence, given the previous tokens."""
    result = []
    with torch.no_grad():
        for sequence in (s for batch in data for s in batch):
            ids = torch.tensor([sequence["ids"]])
            logs = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
            result.append(logs.gather(1, ids[0, 1:, None])[:, 0].tolist())
    return result


def golden(folder, config_class, settings):
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    config = config_class(**{**SHAPE, **settings})
    base = AutoModelForCausalLM.from_config(config).float()
    randomize(base)
    base.save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    data = lora_golden.batches(config.vocab_size)

    def fresh():
        return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)

    lora = get_peft_model(
        fresh(),
        LoraConfig(
            r=lora_golden.LORA["rank"],
            lora_alpha=lora_golden.LORA["alpha"],
            lora_dropout=0.0,
            target_modules=lora_golden.TARGETS,
            task_type="CAUSAL_LM",
        ),
    )
    lora_golden.adapter(lora, folder / "adapter_before.safetensors")
    lora_run = lora_golden.train(lora, data, lora_golden.LORA_STEPS)
    lora.peft_config["default"].base_model_name_or_path = folder.name
    lora.save_pretrained(folder / "adapter", save_embedding_layers=False)
    (folder / "adapter" / "README.md").unlink()

    full = fresh()
    full_run = lora_golden.train(full, data, lora_golden.FULL_STEPS)
    vectors = {name: p.tolist() for name, p in full.named_parameters() if p.dim() == 1}
    expected = {
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft)},
        "optimizer": lora_golden.OPTIMIZER,
        "lora": lora_golden.LORA,
        "batches": data,
        "log_probabilities": log_probabilities(fresh(), data),
        "adapted_log_probabilities": log_probabilities(lora, data),
        "lora_run": lora_run,
        "full_run": full_run,
        "vectors_after": vectors,
    }
    (folder / "golden.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    for name, (config_class, settings) in MODELS.items():
        golden(target / name, config_class, settings)
