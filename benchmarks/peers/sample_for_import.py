"""Samples answers with transformers' generate and writes them for `ingrain distill --samples`.

    python benchmarks/peers/sample_for_import.py MODEL QUESTIONS OUT [--n 4] [--limit 24] [--max-tokens 48]

QUESTIONS is data/pool.jsonl of a run folder. The prompt is the question in the model's chat template, so the answers
are those of the method `direct`; --suffix appends a text to each question. Each line of OUT is an answer with id,
sample, text and tokens.
"""

import argparse
import json

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("questions")
    parser.add_argument("out")
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--suffix", default="")
    args = parser.parse_args()
    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    with open(args.questions, encoding="utf-8") as rows, open(args.out, "w", encoding="utf-8") as out:
        for _, line in zip(range(args.limit), rows):
            row = json.loads(line)
            messages = [{"role": "user", "content": row["question"] + args.suffix}]
            inputs = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
            prompt = inputs["input_ids"].shape[1]
            with torch.no_grad():
                texts = model.generate(**inputs, do_sample=True, temperature=0.7, top_p=0.9, top_k=0,
                                       max_new_tokens=args.max_tokens, num_return_sequences=args.n,
                                       pad_token_id=tokenizer.eos_token_id)
            for sample, ids in enumerate(texts[:, prompt:]):
                ids = ids.tolist()
                if tokenizer.eos_token_id in ids:
                    ids = ids[:ids.index(tokenizer.eos_token_id) + 1]
                text = tokenizer.decode(ids, skip_special_tokens=True)
                out.write(json.dumps({"id": row["id"], "sample": sample, "text": text, "tokens": len(ids)},
                                     ensure_ascii=False) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
