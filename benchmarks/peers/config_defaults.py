#!/usr/bin/env python3
"""Prints the values that transformers' config classes set for fields missing from config.json, for ConfigDefaultsTest.

    python benchmarks/peers/config_defaults.py > \\
        java/engine/src/test/resources/org/ingrain/checkpoint/config-defaults.txt

Each config has the five sizes in SIZES. A line starts with the model type and the other fields of the config. Then it
has either "refused" or num_key_value_heads, head_dim, max_position_embeddings, the window in tokens (0: none),
rms_norm_eps, rope_theta, rope_type, original_max_position_embeddings, tie_word_embeddings and hidden_act. Needs
transformers.
"""
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

SIZES = {"hidden_size": 128, "intermediate_size": 96, "num_hidden_layers": 30, "num_attention_heads": 32,
         "vocab_size": 100}
CASES = [{}, {"num_key_value_heads": None}, {"num_key_value_heads": 4}, {"head_dim": None},
         {"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}},
         {"rope_parameters": {"rope_type": "yarn", "factor": 1.0, "rope_theta": 500.0}},
         {"rope_scaling": {"rope_type": "linear", "factor": 2.0}, "rope_parameters": {"rope_theta": 500.0}},
         {"use_sliding_window": True}, {"rms_norm_eps": None}, {"max_position_embeddings": None},
         {"hidden_act": None}, {"tie_word_embeddings": None}]


def row(model_type, case):
    try:
        c = CONFIG_MAPPING[model_type].from_dict({**SIZES, **{k: dict(v) if isinstance(v, dict) else v
                                                              for k, v in case.items()}})
    except Exception:  # the message of transformers names the field but has many lines
        return "refused"
    rope = c.rope_parameters
    head_dim = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    layers = getattr(c, "layer_types", None)
    window = c.sliding_window if getattr(c, "sliding_window", None) and (
        layers is None or "sliding_attention" in layers) else 0
    return " ".join(str(v) for v in [c.num_key_value_heads, head_dim, c.max_position_embeddings, window,
                                     c.rms_norm_eps, rope["rope_theta"], rope["rope_type"],
                                     rope.get("original_max_position_embeddings", "-"), c.tie_word_embeddings,
                                     c.hidden_act])


def json(case):
    text = str(case)[1:-1].replace("None", "null").replace("True", "true")
    return text.replace(": ", ":").replace(", ", ",")


for model_type in ["llama", "mistral", "qwen2", "qwen3"]:
    for case in CASES:
        print(f"{model_type} | {json(case)} | {row(model_type, case)}".replace("|  |", "| |"))
