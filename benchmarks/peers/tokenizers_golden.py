#!/usr/bin/env python3
"""Makes small tokenizers with the pipelines of Qwen and Mistral, and records the ids and texts that transformers
computes with them.

    python3 benchmarks/peers/tokenizers_golden.py --output java/engine/src/test/resources/org/ingrain/tokenizer

Needs tokenizers and transformers. Writes tokenizer.json, tokenizer_config.json and golden.json to each folder. For each
test text, golden.json has the ids, "decoded" (the decoded ids with special tokens, if this differs from the text) and
"spoken" (the decoded ids without special tokens, if this differs from "decoded"). For one text, golden.json also has
the decoding of every prefix of the ids.

    qwen       byte-level BPE, Qwen2's expression, NFC, no BOS, <think> and <tool_call> as added tokens
    mistral    as Mistral 7B v0.1: BPE with byte fallback, a space before every part
    mistral-v3 as Mistral 7B v0.3: like mistral, but with a space before the text only, and [INST] as a special token
    tekken     as Mistral Nemo: byte-level BPE with its own expression, BOS
"""

import argparse
import collections
import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+")
UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

# The text on which the vocabularies are trained.
WORDS = """
The kettle sings before the guests arrive, and nobody wonders why it's late. She'll say they've counted 1234 apples,
we're sure he didn't. A café in Zürich sells crème brûlée; naïve visitors pay 57.80 for it.
Die Straße führt über die Brücke. El niño mañana, ¿dónde está? 今天天气很好，我们去公园散步。東京の朝は静かです。
Утром город просыпается медленно. 😀 😀 👍 👍🏽
def area(width, height):
    return width * height  # square metres
<think>
First count the letters, then add them.
</think>

The answer is 12. The answer is 7. The last letters are "e" and "s".
"""

TEXTS = [
    "Hello world", " leading", "trailing  ", "a  b   c    d", "\n", "\n\n\n", " \n \n x", "tab\tand\r\nreturn\r", "   ",
    "it's IT'S they'Ve we'LL he'd I'M 'tis 's", "1234567890", "3.14 and 1,000", "٣٤٥ Ⅷ ½ x²", "naïve café — “quoted”",
    "nai\u0308ve cafe\u0301 e\u0301e\u0301 A\u030a \u1e9b\u0323", "가 \u1100\u1161 \uac00", "今天天气很好，我们去公园。",
    "東京の朝　静か", "emoji 😀👍🏽 👨‍👩‍👧 🇨🇭 end", "Straße über ÄÖÜ ǅ ﬁ",
    "def f(x):\n    return x**2  # 12345", "!!! ??? ... --- ***\n\n",
    "a\u00a0b\u2003c\u200bd\u3000e", "\u0000\u0007\u007f", "url https://example.org/a_b?c=d&e=%20",
    "ЁЖ утром", "a/b//c\n/d",
    "camelCase HTTPServer XMLHttpRequest", "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "<|endoftext|>",
    "<think>\n\n</think>\n\nanswer", "x<think>y</think>z", " <think> ", "<tool_call>\n{}\n</tool_call>", "<|im_start|",
    "<s>[INST] Hi [/INST] yes </s>", "[INST]Hi[/INST]yes</s>", "<s> <s>", "[INST] a[/INST] b</s>[INST] c[/INST]", "",
    "The answer is 12.", "the\ufeffend", "ends in half \ud7ff",
]
CUT = "é 😀👍🏽 你好"

CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
NOT_SPECIAL = ["<tool_call>", "</tool_call>", "<think>", "</think>"]


def byte_level(expression, normalizer, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(expression), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    return tokenizer, size


def qwen():
    tokenizer, size = byte_level(QWEN, normalizers.NFC(), 700)
    tokenizer.train_from_iterator([WORDS], trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in CHATML])
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in NOT_SPECIAL])
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    decoder = {str(id): {"content": token.content, "lstrip": False, "normalized": False, "rstrip": False,
                         "single_word": False, "special": token.special}
               for id, token in sorted(tokenizer.get_added_tokens_decoder().items())}
    return tokenizer, {"add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": decoder,
                       "bos_token": None, "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>",
                       "errors": "replace", "pad_token": "<|endoftext|>", "split_special_tokens": False,
                       "tokenizer_class": "Qwen2Tokenizer", "unk_token": None}


def tekken():
    tokenizer, size = byte_level(TEKKEN, None, 480)
    tokenizer.train_from_iterator([WORDS], trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        special_tokens=["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
                                                             special_tokens=[("<s>", 1)])
    return tokenizer, {"add_bos_token": True, "bos_token": "<s>", "clean_up_tokenization_spaces": False,
                       "eos_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"}


def sentence_piece(specials, legacy):
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    learnt = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    learnt.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    letters = collections.Counter(WORDS.replace(" ", "▁").replace("\n", ""))
    # The letters are sorted here, because the trainer would break ties between them at random.
    alphabet = sorted(letters, key=lambda letter: (-letters[letter], letter))[:70]
    names = specials + [f"<0x{b:02X}>" for b in range(256)]
    learnt.train_from_iterator([WORDS], trainers.BpeTrainer(
        vocab_size=len(names) + 150, initial_alphabet=alphabet, limit_alphabet=len(alphabet), special_tokens=names,
        show_progress=False))
    model = json.loads(learnt.to_str())["model"]
    tokenizer = Tokenizer(models.BPE(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]],
                                     unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in specials])
    if legacy:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = metaspace
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
                                                             special_tokens=[("<s>", 1)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(content=" ", left=1)])
    return tokenizer, {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>",
                       "clean_up_tokenization_spaces": False, "eos_token": "</s>", "legacy": legacy,
                       "tokenizer_class": "LlamaTokenizer", "unk_token": "<unk>"}


def golden(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    file = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = []
    for text in TEXTS[::2] if folder.name.startswith("mistral") else TEXTS:
        # transformers 5 rebuilds LlamaTokenizer's pipeline. The rebuilt pipeline adds no space before a part that
        # begins with a space; transformers 4, the file's own pipeline and SentencePiece add one.
        ids = file.encode(text).ids
        if ids != tokenizer.encode(text) and folder.name != "mistral":
            raise SystemExit(f"{folder}: transformers and the file encode {text!r} differently")
        entry = {"text": text, "ids": ids}
        decoded, spoken = tokenizer.decode(ids), tokenizer.decode(ids, skip_special_tokens=True)
        texts.append(entry | ({} if decoded == text else {"decoded": decoded})
                     | ({} if spoken == decoded else {"spoken": spoken}))
    cut = tokenizer.encode(CUT)
    return {"size": len(tokenizer), "texts": texts, "cut": {
        "ids": cut, "beginnings": [tokenizer.decode(cut[:n]) for n in range(1, len(cut) + 1)]}}


def write(file, value):
    file.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    output = parser.parse_args().output
    v3 = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    made = {"qwen": qwen(), "mistral": sentence_piece(v3[:3], True), "mistral-v3": sentence_piece(v3, False),
            "tekken": tekken()}
    for name, (made_tokenizer, config) in made.items():
        target = output / name
        target.mkdir(parents=True, exist_ok=True)
        write(target / "tokenizer.json", json.loads(made_tokenizer.to_str()))
        write(target / "tokenizer_config.json", config)
        write(target / "golden.json", golden(target))
