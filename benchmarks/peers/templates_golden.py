#!/usr/bin/env python3
"""Renders chats with transformers, using templates that have the constructs of Qwen's and Mistral's templates.

    python3 benchmarks/peers/templates_golden.py java/engine/src/test/resources/org/ingrain/template

Needs transformers. Reads thinking.jinja and instruct.jinja in the folder and writes golden.json. This file has the
chats and, for each combination of template, chat, add_generation_prompt and enable_thinking, the rendered text, or null
if the template refuses the chat.
"""

import json
import pathlib
import sys

import jinja2
from transformers.utils.chat_template_utils import render_jinja_template

THOUGHT = "<think>\nseven letters\n</think>\n\nseven"
CHATS = [
    "user:Hi", "system:Be brief.\n|user:  What is {{ x }} {% if %}?\u3000", "user:a|assistant:b|user:c",
    "system:s|user:a|assistant: b \n|user:你好 😀|assistant:d\n\n", f"user:a|assistant:{THOUGHT}",
    f"user:a|assistant:{THOUGHT}|user:b", f"user:a|assistant:{THOUGHT}|user:b|assistant:{THOUGHT}\n ",
    "user:a|assistant:no beginning</think>tail|user:b|assistant:<think>no end", "user:a|assistant:1|assistant:2",
    f"user:a|assistant:{THOUGHT}|assistant:2", f"user:a|assistant:{THOUGHT}|user:<result>\nr\n</result>|assistant:c",
    "user:a|tool:one|tool:two|assistant:b", "user:a|system: |system:late|user:b", "assistant:x|user:", "system:alone",
]


def messages(chat):
    return [dict(zip(("role", "content"), message.split(":", 1))) for message in chat.split("|")]


def render(template, chat, **variables):
    try:
        texts, _ = render_jinja_template([messages(chat)], chat_template=template, bos_token="<s>", eos_token="</s>",
                                         **variables)
    except jinja2.exceptions.TemplateError:
        return None
    return texts[0]


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    cases = []
    for name in ("thinking.jinja", "instruct.jinja"):
        template = (folder / name).read_text(encoding="utf-8")
        switches = (None, True, False) if "enable_thinking" in template else (None,)
        for chat in CHATS:
            for prompt in (False, True):
                for on in switches:
                    variables = {} if on is None else {"enable_thinking": on}
                    cases.append({"template": name, "chat": chat, "prompt": prompt, "thinking": on, "text": render(
                        template, chat, add_generation_prompt=prompt, **variables)})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    (folder / "golden.json").write_text(f'{{"cases":[\n{lines}\n]}}\n', encoding="utf-8")
