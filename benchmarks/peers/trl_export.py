"""Trains with TRL on the exports of a run and compares the accuracy with that of the run's own student.

    for s in 1 2 3; do
      ./ingrain export RUNS/seed-$s --format trl --output EXPORTS/trl-$s.jsonl
      ./ingrain export RUNS/seed-$s --format dpo --output EXPORTS/dpo-$s.jsonl
    done
    python trl_export.py MODEL RUNS EXPORTS

RUNS is the folder of a `distill --seeds 3`. Learning rate, schedule, epochs, batch size and LoRA settings are those of
run.json. Both students answer the held-out questions of the run greedily; an answer is right if it equals the gold
answer. DPO is trained for a few steps, to show that TRL loads the pairs. TRL runs on the CPU, in F32.
"""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

DPO_STEPS = 4


def lora(train):
    own = train["lora"]
    return LoraConfig(r=own["rank"], lora_alpha=own["alpha"], lora_dropout=own["dropout"], task_type="CAUSAL_LM",
                      target_modules=[name.lower() for name in own["targetModules"]])


def common(train, seed):
    optimizer, loop = train["optimizer"], train["train"]
    return dict(output_dir="/tmp/trl-export", num_train_epochs=loop["epochs"], seed=seed, use_cpu=True, bf16=False,
                per_device_train_batch_size=loop["batchSize"], learning_rate=optimizer["learningRate"],
                lr_scheduler_type="cosine_with_min_lr", warmup_steps=optimizer["warmupSteps"],
                lr_scheduler_kwargs={"min_lr_rate": optimizer["minLearningRateRatio"]},
                weight_decay=optimizer["weightDecay"], max_grad_norm=optimizer["maxGradNorm"], report_to=[],
                save_strategy="no", logging_steps=1, disable_tqdm=True, gradient_checkpointing=False)


def accuracy(model, tokenizer, questions):
    model.eval()
    right = 0
    for question in questions:
        text = tokenizer.apply_chat_template([{"role": "user", "content": question["question"]}],
                                             add_generation_prompt=True, tokenize=False)
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
        with torch.no_grad():
            answer = model.generate(input_ids=ids, max_new_tokens=16, do_sample=False)
        answer = tokenizer.decode(answer[0, ids.shape[1]:], skip_special_tokens=True).strip()
        right += answer.lower() == question["gold"].lower()
    return right


def main(folder, runs, exports):
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    print("| seed | rows | base | Ingrain | TRL | of | first and last loss of TRL | DPO pairs | DPO losses |")
    print("|--:|--:|--:|--:|--:|--:|---|--:|---|")
    for seed in (1, 2, 3):
        run = f"{runs}/seed-{seed}"
        train = json.load(open(f"{run}/run.json"))["settings"]["train"]
        arms = {arm["name"]: arm["right"] for arm in json.load(open(f"{run}/report.json"))["arms"]}
        questions = [json.loads(line) for line in open(f"{run}/data/test.jsonl")]
        rows = load_dataset("json", data_files=f"{exports}/trl-{seed}.jsonl", split="train")
        set_seed(seed)
        trainer = SFTTrainer(model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
                             args=SFTConfig(**common(train, seed)), train_dataset=rows, processing_class=tokenizer,
                             peft_config=lora(train))
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        trl = accuracy(trainer.model, tokenizer, questions)
        pairs = load_dataset("json", data_files=f"{exports}/dpo-{seed}.jsonl", split="train")
        dpo = DPOTrainer(model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
                         args=DPOConfig(**common(train, seed) | {"max_steps": DPO_STEPS}), train_dataset=pairs,
                         processing_class=tokenizer, peft_config=lora(train))
        dpo.train()
        steps = " ".join(f"{entry['loss']:.3f}" for entry in dpo.state.log_history if "loss" in entry)
        print(f"| {seed} | {len(rows)} | {arms['system-1']} | {arms['distilled']} | {trl} | {len(questions)} | "
              f"{losses[0]:.3f} {losses[-1]:.3f} | {len(pairs)} | {steps} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
