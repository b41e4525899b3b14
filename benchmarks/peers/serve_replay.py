#!/usr/bin/env python3
"""Sends the two kinds of streaming requests of `vllm bench serve` to a server, and computes the same figures.

    python3 benchmarks/peers/serve_replay.py http://127.0.0.1:8000 --model NAME [--requests 16] [--output-len 64]

All requests are sent at once, first to /v1/completions and then to /v1/chat/completions. The times are those at which
chunks with choices arrive. The numbers of tokens come from the chunk with the usage. Needs aiohttp.
"""

import argparse
import asyncio
import json
import statistics
import time

import aiohttp


def body(args, number, chat):
    prompt = f"Once upon a time number {number} there was a little girl named Lily who loved to play outside."
    if chat:
        fields = {"messages": [{"role": "user", "content": [{"type": "text", "text": prompt}]}],
                  "max_completion_tokens": args.output_len}
    else:
        fields = {"prompt": prompt, "max_tokens": args.output_len, "repetition_penalty": 1.0, "logprobs": None}
    return {"model": args.model, "temperature": 0.8, "top_p": 1.0, "ignore_eos": True, "stream": True,
            "stream_options": {"include_usage": True}, **fields}


async def request(session, args, number, chat):
    """Returns the time from the request to each chunk in seconds, and the usage."""
    start = time.perf_counter()
    times, usage = [], None
    url = args.url + ("/v1/chat/completions" if chat else "/v1/completions")
    async with session.post(url, json=body(args, number, chat)) as response:
        assert response.status == 200, await response.text()
        async for line in response.content:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[6:])
            if chunk["choices"]:
                times.append(time.perf_counter() - start)
            elif chunk["usage"]:
                usage = chunk["usage"]
    return times, usage


def milliseconds(values):
    return f"{1e3 * statistics.mean(values):.1f} ms"


async def run(args, chat):
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3600)) as session:
        start = time.perf_counter()
        answers = await asyncio.gather(*(request(session, args, i, chat) for i in range(args.requests)))
        seconds = time.perf_counter() - start
    tokens = [usage["completion_tokens"] for _, usage in answers]
    gaps = [after - before for times, _ in answers for before, after in zip(times, times[1:])]
    print("chat" if chat else "completions", f"{len(answers)} requests in {seconds:.2f} s",
          f"prompt tokens {sum(usage['prompt_tokens'] for _, usage in answers)}", f"output tokens {sum(tokens)}",
          f"chunks {sum(len(times) for times, _ in answers)}", f"{sum(tokens) / seconds:.1f} output tokens/s",
          f"TTFT {milliseconds(times[0] for times, _ in answers)}",
          f"TPOT {milliseconds((t[-1] - t[0]) / (n - 1) for (t, _), n in zip(answers, tokens))}",
          f"ITL {milliseconds(gaps)}", sep=", ")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--model", required=True)
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--output-len", type=int, default=64)
    args = parser.parse_args()
    for chat in False, True:
        asyncio.run(run(args, chat))


if __name__ == "__main__":
    main()
