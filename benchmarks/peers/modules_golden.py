"""Records the results of PEFT with adapters of embed_tokens and lm_head, with modules_to_save, and with lora_bias.

    python benchmarks/peers/modules_golden.py java/engine/src/test/resources/org/ingrain/train/architectures \
        java/engine/src/test/resources/org/ingrain/train/modules.json

The base models are those of architectures_golden.py. The values of an adapter follow from a formula, which
AdapterModulesTest repeats, so only names and shapes are stored. Needs torch, transformers, peft and safetensors.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

import lora_golden
from architectures_golden import log_probabilities

# name: base model, whether PEFT stores base layers (None: PEFT decides), whether ten steps are trained, settings
CASES = {
    "tables": ("mistral", False, True, {"target_modules": ["embed_tokens", "lm_head", "gate_proj"]}),
    "tables_with_base_layers": ("mistral", True, False, {"target_modules": ["embed_tokens", "lm_head", "q_proj"]}),
    "tied_tables": ("qwen2", False, True, {"target_modules": ["embed_tokens", "lm_head", "o_proj"]}),
    "tied_embedding_with_base_layer": ("qwen2", True, False, {"target_modules": ["embed_tokens"]}),
    "tied_head": ("qwen2", False, True, {"target_modules": ["lm_head"]}),
    "saved": ("mistral", None, False,
              {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head", "norm"]}),
    "saved_head_norms": ("qwen3", None, False,
                         {"target_modules": ["lm_head"], "modules_to_save": ["q_norm", "o_proj"]}),
    "tied_saved_embedding": ("qwen2", None, False,
                             {"target_modules": ["v_proj"], "modules_to_save": ["embed_tokens"]}),
    "tied_saved_head": ("qwen2", None, False, {"target_modules": ["v_proj"], "modules_to_save": ["lm_head"]}),
    "biased": ("qwen3", None, True, {"target_modules": ["q_proj", "v_proj", "down_proj", "lm_head"],
                                     "lora_bias": True}),
    "biased_with_biases": ("qwen2", None, True, {"target_modules": ["q_proj", "k_proj", "v_proj"],
                                                 "lora_bias": True}),
}


FIELDS = {"peft_type", "r", "lora_alpha", "target_modules", "modules_to_save", "lora_bias"}
SEQUENCES = [0, 2, 3]  # indices in the second batch


def values(k, name, shape):
    """Returns the values of the k-th tensor in the order of names: multiples of 1/64, around 1 for norms."""
    j = torch.arange(torch.Size(shape).numel())
    numbers = ((j * 31 + k * 17) % 23 - 11).float() / 64
    return (numbers + (1 if "norm" in name else 0)).reshape(shape).contiguous()


def rounded(numbers):
    return [float(f"{x:.8g}") for x in numbers]


def case(models, base, base_layers, trained, settings):
    def fresh():
        return AutoModelForCausalLM.from_pretrained(models / base, attn_implementation="eager", dtype=torch.float32)

    with tempfile.TemporaryDirectory() as folder:
        config = LoraConfig(r=2, lora_alpha=4, lora_dropout=0.0, task_type="CAUSAL_LM", **settings)
        get_peft_model(fresh(), config).save_pretrained(
            folder, save_embedding_layers="auto" if base_layers is None else base_layers)
        file = Path(folder) / "adapter_model.safetensors"
        shapes = {name: list(t.shape) for name, t in sorted(load_file(file).items())}
        if base_layers is None:  # PEFT also stores the base layer of an adapted head
            shapes = {name: shape for name, shape in shapes.items() if "base_layer" not in name}
        save_file({name: values(k, name, shape) for k, (name, shape) in enumerate(shapes.items())}, file,
                  {"format": "pt"})
        model = PeftModel.from_pretrained(fresh(), folder, is_trainable=trained)
        data = lora_golden.batches(model.config.vocab_size)
        config = json.loads((Path(folder) / "adapter_config.json").read_text())
        config = {name: sorted(value) if isinstance(value, list) else value for name, value in config.items()
                  if name in FIELDS and value}
        result = {"base": base, "config": config, "tensors": shapes,
                  "log_probabilities": [rounded(r) for r in log_probabilities(
                      model, [[data[1][i] for i in SEQUENCES]])]}
        if trained:
            run = lora_golden.train(model, data, lora_golden.LORA_STEPS)
            result |= {name: rounded(numbers) for name, numbers in run.items()}
    return result


if __name__ == "__main__":
    torch.set_num_threads(1)
    text = json.dumps({name: case(Path(sys.argv[1]), *arguments) for name, arguments in CASES.items()})
    Path(sys.argv[2]).write_text(text + "\n")
