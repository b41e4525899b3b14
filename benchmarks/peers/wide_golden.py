"""Runs the ten LoRA steps of lora_golden.py on a random Llama with two layers of Llama-2-70B's width, on a GPU if
there is one.

    python benchmarks/peers/wide_golden.py FOLDER [--tiny]

WideGoldenTest starts from the same weights. Needs torch, transformers, peft, safetensors and 10 GB of disk space.
"""

import argparse
import json
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

import lora_golden

WIDE = {
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 32000,
}
TINY = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 8,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "vocab_size": 320,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() and not options.tiny else "cpu")
    torch.manual_seed(3)
    config = LlamaConfig(
        **(TINY if options.tiny else WIDE),
        num_hidden_layers=2,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        attn_implementation="eager",
        dtype=torch.float32
    )
    with device:
        model = LlamaForCausalLM(config).float()
    options.folder.mkdir(parents=True)
    model.save_pretrained(options.folder, max_shard_size="20GB")
    lora_golden.OPTIMIZER["learning_rate"] = 1e-3
    lora = get_peft_model(
        model,
        LoraConfig(
            r=lora_golden.LORA["rank"],
            lora_alpha=lora_golden.LORA["alpha"],
            lora_dropout=0.0,
            target_modules=lora_golden.TARGETS,
        ),
    )
    lora_golden.adapter(lora, options.folder / "adapter_before.safetensors")
    data = lora_golden.batches(config.vocab_size)
    run = lora_golden.train(lora, data, lora_golden.LORA_STEPS)
    versions = {m.__name__: m.__version__ for m in (torch, transformers, peft)}
    (options.folder / "golden.json").write_text(
        json.dumps(
            {
                "versions": versions,
                "optimizer": lora_golden.OPTIMIZER,
                "lora": lora_golden.LORA,
                "batches": data,
                "lora_run": run,
            }
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
