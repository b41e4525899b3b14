"""Makes a GPTQ and an AWQ folder of a small random Llama in the published layouts. Also records golden values of the
dequantized model, computed by PyTorch in F32: log-probabilities and, for GPTQ, ten steps of LoRA (PEFT).

    python benchmarks/peers/quantized_golden.py java/engine/src/test/resources/org/ingrain/train/quantized

The integers, zero points and scales are random, so that a fault in any element changes the results. QuantizedGoldenTest
computes the same values with Ingrain. Layouts: AutoGPTQ's qlinear_cuda_old.py, AutoAWQ's packing_utils.py. Needs torch,
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
from transformers import LlamaConfig, LlamaForCausalLM

import architectures_golden
import lora_golden

SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "tie_word_embeddings": False,
    "attn_implementation": "eager",
}
GROUP = 32
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
CONFIGS = {
    "gptq": {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "desc_act": False, "sym": False,
             "damp_percent": 0.1, "true_sequential": True},
    "awq": {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm",
            "modules_to_not_convert": None},
}


def words(values, order=range(8)):
    """Packs 8 consecutive values of the last dimension into one int32. The value at index order[i] is stored in bits 4i
    to 4i+3."""
    parts = values.reshape(*values.shape[:-1], -1, 8).long()
    packed = sum(parts[..., place] << 4 * i for i, place in enumerate(order))
    return torch.where(packed >= 2**31, packed - 2**32, packed).int()


def quantized(method, outputs, inputs, generator):
    """Returns the tensors of a linear layer and its weight (outputs, inputs)."""
    groups = inputs // GROUP
    q = torch.randint(16, (inputs, outputs), generator=generator)
    zeros = torch.randint(1, 16, (groups, outputs), generator=generator)
    scales = (torch.rand((groups, outputs), generator=generator) * 0.04 + 0.01).half()
    of_row = torch.arange(inputs) // GROUP
    weight = (q - zeros[of_row]) * scales[of_row].float()
    tensors = {"scales": scales}
    if method == "gptq":
        tensors["qweight"] = words(q.T).T.contiguous()  # a word has the weights of one output for 8 inputs
        tensors["qzeros"] = words(zeros - 1)
        tensors["g_idx"] = of_row.int()
    else:
        tensors["qweight"] = words(q, AWQ_ORDER)  # a word has the weights of one input for 8 outputs
        tensors["qzeros"] = words(zeros, AWQ_ORDER)
    return tensors, weight.T


def golden(folder, method):
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    generator = torch.Generator().manual_seed(4)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE)).float()
    architectures_golden.randomize(model)
    stored = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            tensors, weight = quantized(method, module.out_features, module.in_features, generator)
            module.weight.data.copy_(weight)
            stored |= {f"{name}.{part}": tensor for part, tensor in tensors.items()}
    for name, p in model.named_parameters():
        if ".self_attn." not in name and ".mlp." not in name:
            p.data.copy_(p.data.half())
            stored[name] = p.data.half()
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    config = {**model.config.to_dict(), "dtype": "float16", "architectures": ["LlamaForCausalLM"],
              "quantization_config": CONFIGS[method]}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    data = lora_golden.batches(SHAPE["vocab_size"])
    expected = {
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft)},
        "optimizer": lora_golden.OPTIMIZER,
        "lora": lora_golden.LORA,
        "batches": data,
        "log_probabilities": architectures_golden.log_probabilities(model, data),
    }
    if method == "gptq":
        lora = get_peft_model(model, LoraConfig(r=lora_golden.LORA["rank"], lora_alpha=lora_golden.LORA["alpha"],
                                                lora_dropout=0.0, target_modules=lora_golden.TARGETS))
        lora_golden.adapter(lora, folder / "adapter_before.safetensors")
        expected["lora_run"] = lora_golden.train(lora, data, lora_golden.LORA_STEPS)
    (folder / "golden.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    for method in CONFIGS:
        golden(target / method, method)
