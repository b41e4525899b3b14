#!/usr/bin/env python3
"""Puts load on a running server ("ingrain serve") and measures it.

Usage: benchmarks/serve_load.py --url http://127.0.0.1:8000 --pid PID [OPTIONS] SCENARIO...

Scenarios: streams, overload, slow, vanish, hostile, cost, soak. Each writes one line of JSON to standard output.
Every complete answer is compared with the answer that the idle server gave to the same request. PID is the process of
the server on this machine; its memory, threads, open files and CPU time are read from /proc. For overload, start the
server with --max-queue 256. cost also needs --generator, a command that completes the prompts of a file without a
server: "ingrain generate --raw ..." with the same model and sizes. Needs the standard library only.
"""
import argparse
import asyncio
import json
import os
import pathlib
import random
import re
import resource
import shlex
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import serve_hostile  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
WORDS = ("river window seven quiet harbour orange letter carry mountain under paper slowly garden bright winter "
         "question market silver follow distant").split()
LIMIT = 900         # seconds after which a client counts as stalled


class Process:
    """Reads memory, threads, open files and CPU time of the server."""

    def __init__(self, pid):
        self.root = pathlib.Path(f"/proc/{pid}")
        self.pid = pid

    def cpu(self):
        fields = (self.root / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def sample(self):
        status = dict(line.split(":", 1) for line in (self.root / "status").read_text().splitlines())
        return {"rss_mib": int(status["VmRSS"].split()[0]) // 1024, "threads": int(status["Threads"]),
                "files": len(os.listdir(self.root / "fd"))}

    def live_heap_mib(self):
        """Returns the heap in use after a garbage collection; None without jcmd."""
        jcmd = pathlib.Path(os.environ.get("JAVA_HOME", "/usr"), "bin", "jcmd")
        try:
            subprocess.run([jcmd, str(self.pid), "GC.run"], check=True, capture_output=True)
            used = subprocess.run([jcmd, str(self.pid), "GC.heap_info"], check=True, capture_output=True, text=True)
            return sum(map(int, re.findall(r"total \d+K, used (\d+)K", used.stdout))) // 1024
        except (OSError, subprocess.CalledProcessError):
            return None


class Client:
    """Requests to one server. Counts are kept per scenario in self.counts."""

    def __init__(self, url, pid, model, distinct):
        self.host, port = url.removeprefix("http://").rstrip("/").split(":")
        self.port = int(port)
        self.process = Process(pid)
        self.model = model
        self.bodies = [self.body(i) for i in range(distinct)]
        self.alone = []
        self.counts = {}

    def body(self, i):
        rng = random.Random(i)
        return {"model": self.model, "prompt": " ".join(rng.choices(WORDS, k=rng.randint(4, 24))), "seed": i,
                "temperature": 0.8, "max_tokens": rng.randint(8, 32), "ignore_eos": True, "stream": True}

    def count(self, name, by=1):
        self.counts[name] = self.counts.get(name, 0) + by

    def http(self, body, path="/v1/completions"):
        data = json.dumps(body).encode()
        return (f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n").encode() + data

    async def connect(self, receive=None):
        sock = socket.socket()
        sock.setblocking(False)
        if receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        await asyncio.get_running_loop().sock_connect(sock, (self.host, self.port))
        return await asyncio.open_connection(sock=sock, limit=receive or 1 << 20)

    async def ask(self, body, gaps=None):
        """Sends a streaming request. Returns its status and text."""
        reader, writer = await self.connect()
        try:
            last = time.monotonic()
            writer.write(self.http(body))
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split()[1])
            if status != 200:
                if status == 429 and b"retry-after" not in head.lower():
                    self.count("429_without_retry_after")
                return status, (await reader.read()).decode()
            text, done, waits = [], False, []
            async for line in reader:       # a line that has a chunk size does not start with "data:"
                if line.startswith(b"data: [DONE]"):
                    done = True
                elif line.startswith(b"data: "):
                    waits.append(time.monotonic() - last)
                    last = time.monotonic()
                    event = json.loads(line[6:])
                    if "error" in event:
                        return 500, event["error"]["message"]
                    text += [choice["text"] for choice in event["choices"]]
            if gaps is not None:
                gaps.append((waits[0], max(waits[1:], default=0)))
            return (200, "".join(text)) if done else (0, "the stream ended early")
        finally:
            writer.close()

    async def checked(self, i, gaps=None):
        """Sends request i and compares the answer with the one that the server gave when it was idle."""
        i %= len(self.bodies)
        try:
            status, text = await asyncio.wait_for(self.ask(self.bodies[i], gaps), LIMIT)
        except TimeoutError:
            return self.count("stalled")
        except (OSError, asyncio.IncompleteReadError) as broken:
            return self.count(f"broken_{type(broken).__name__}")
        self.count(f"status_{status}")
        if status == 200:
            self.count("tokens", self.bodies[i]["max_tokens"])
            self.count("equal" if text == self.alone[i] else "different")

    async def references(self):
        for body in self.bodies:
            status, text = await asyncio.wait_for(self.ask(body), LIMIT)
            if status != 200:
                sys.exit(f"{self.http(body)}: status {status}: {text}")
            self.alone.append(text)

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.host}:{self.port}/metrics") as answer:
            lines = [line.rpartition(" ") for line in answer.read().decode().splitlines() if line[:1] != "#"]
        return {name.partition("{")[0]: float(value) for name, _, value in lines}

    async def idle(self):
        """Waits until all samples are finished. Returns the waiting time in seconds."""
        start = time.monotonic()
        while True:
            found = await asyncio.to_thread(self.metrics)
            if found["vllm:num_requests_running"] + found["vllm:num_requests_waiting"] == 0:
                return round(time.monotonic() - start, 2)
            await asyncio.sleep(0.1)


async def streams(client, options):
    """Sends all streaming requests at once."""
    gaps = []
    await asyncio.gather(*(client.checked(i, gaps) for i in range(options.streams)))
    first, longest = zip(*gaps)
    return {"first_token_s": spread(first), "longest_gap_s": spread(longest)}


def spread(values):
    return {"median": round(statistics.median(values), 2), "most": round(max(values), 2)}


async def overload(client, options):
    """Sends ten times as many requests as the queue can hold."""
    await asyncio.gather(*(client.checked(i) for i in range(10 * options.queue)))


async def slow(client, options):
    """Some clients read one byte per second, while others read at full speed."""
    body = client.body(0) | {"n": 8, "logprobs": 20, "max_tokens": 64}

    async def read():
        reader, writer = await client.connect(receive=2048)
        writer.write(client.http(body))
        try:
            while await reader.read(1):
                client.count("slow_bytes")
                await asyncio.sleep(1)
        finally:
            writer.transport.abort()

    readers = [asyncio.create_task(read()) for _ in range(options.slow)]
    await asyncio.sleep(1)
    await asyncio.gather(*(client.checked(i) for i in range(64)))
    await asyncio.sleep(10)
    client.count("slow_still_reading", sum(not reader.done() for reader in readers))
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)


async def vanish(client, options):
    """Clients disconnect: half of them before the first byte, half in the middle of the stream."""
    body = client.body(0) | {"max_tokens": 200}
    before = client.metrics()["vllm:generation_tokens_total"]

    async def leave(i):
        reader, writer = await client.connect()
        writer.write(client.http(body))
        if i % 2:
            try:
                await reader.readuntil(b"data: ")
            except asyncio.IncompleteReadError:
                client.count("refused")
        else:
            await asyncio.sleep(0.2)
        if i % 4 < 2:       # half of each kind resets the connection
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        client.count("vanished")

    await asyncio.gather(*(leave(i) for i in range(options.streams)), client.checked(0), client.checked(1))
    return {"idle_after_s": await client.idle(), "tokens_asked": options.streams * body["max_tokens"],
            "tokens_generated": client.metrics()["vllm:generation_tokens_total"] - before}


async def hostile(client, options):
    """Sends malformed requests, and a valid one after each thousand."""
    seeds = iter(range(options.first, options.first + options.hostile))
    faults = []

    async def send():
        for seed in seeds:
            kind, data, close = serve_hostile.request(seed, client.host)
            status = await serve_hostile.exchange(client, data, close)
            client.count(f"answer_{status}")
            if status in ("stalled", "garbage", "500"):     # 503: the client has closed its side
                faults.append((kind, seed, status))
            if seed % 1000 == 999:
                await client.checked(seed // 1000)

    await asyncio.gather(*(send() for _ in range(32)))
    return {"faults": len(faults), "first_faults": faults[:20]}


async def cost(client, options):
    """Measures, alternately, the CPU time per 1,000 tokens of the server and of the generator without a server."""
    served, alone = [], []
    for _ in range(options.rounds):
        before, tokens = client.process.cpu(), client.counts.get("tokens", 0)
        await asyncio.gather(*(client.checked(i) for i in range(options.streams)))
        served.append((client.process.cpu() - before) / (client.counts["tokens"] - tokens) * 1000)
        alone.append(await asyncio.to_thread(generator_cost, client, options))
        print(f"server {served[-1]:.3f}, generator {alone[-1]:.3f} CPU seconds per 1,000 tokens", file=sys.stderr)
    return {"server_cpu_s": [round(x, 3) for x in served], "generator_cpu_s": [round(x, 3) for x in alone],
            "ratio_of_least": round(min(served) / min(alone), 3),
            "ratio_of_medians": round(statistics.median(served) / statistics.median(alone), 3)}


def generator_cost(client, options):
    """Runs the prompts once and three times. The difference of the CPU times does not contain the start of the
    process."""
    spent = []
    for times in (1, 3):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            for i in range(options.streams * times):
                file.write(client.bodies[i % len(client.bodies)]["prompt"] + "\n")
            file.flush()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*shlex.split(options.generator), "--prompts", file.name], check=True,
                           stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return (spent[1] - spent[0]) / (2 * options.streams * options.tokens) * 1000


async def soak(client, options):
    """Runs all kinds of load in random order until the time is over."""
    rng = random.Random(0)
    end = time.monotonic() + options.minutes * 60
    series = []
    small = argparse.Namespace(**vars(options) | {"streams": 24, "slow": 4, "hostile": 500, "queue": 32})
    while time.monotonic() < end:
        await rng.choice((streams, streams, slow, vanish, hostile, overload))(client, small)
        await client.idle()
        series.append({"minute": round((time.monotonic() - end) / 60 + options.minutes, 1)}
                      | client.process.sample() | {"live_heap_mib": client.process.live_heap_mib()})
        print(json.dumps(series[-1]), file=sys.stderr, flush=True)
    return {"series": series}


async def measured(client, scenario, options):
    """Runs a scenario, and measures the server's process before, during and after it."""
    client.counts = {}
    await client.idle()
    process = client.process
    before = process.sample() | {"live_heap_mib": process.live_heap_mib()}
    start, cpu, during = time.monotonic(), process.cpu(), []

    async def watch():
        while True:
            during.append(process.sample())
            await asyncio.sleep(0.5)

    watcher = asyncio.create_task(watch())
    found = await scenario(client, options)
    watcher.cancel()
    seconds = time.monotonic() - start
    cpu = process.cpu() - cpu
    await client.idle()
    await asyncio.sleep(2)
    most = {name: max(sample[name] for sample in during) for name in during[0]}
    after = process.sample() | {"live_heap_mib": process.live_heap_mib()}
    print(json.dumps({"scenario": scenario.__name__, "seconds": round(seconds, 1), "server_cpu_s": round(cpu, 1)}
                     | client.counts | (found or {}) | {"before": before, "most": most, "after": after}), flush=True)


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--pid", type=int, required=True, help="process of the server")
    parser.add_argument("--model", default=None, help="name of the model or adapter")
    parser.add_argument("--streams", type=int, default=256)
    parser.add_argument("--queue", type=int, default=256, help="--max-queue of the server")
    parser.add_argument("--slow", type=int, default=16, help="slow readers")
    parser.add_argument("--hostile", type=int, default=100_000, help="malformed requests")
    parser.add_argument("--first", type=int, default=0, help="number of the first malformed request")
    parser.add_argument("--distinct", type=int, default=64, help="different requests")
    parser.add_argument("--tokens", type=int, default=0, help="tokens of each answer; 0 for 8 to 32")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each scenario")
    parser.add_argument("--minutes", type=float, default=30, help="time of soak")
    parser.add_argument("--generator", help="command without a server, for cost")
    parser.add_argument("scenarios", nargs="+", choices=["streams", "overload", "slow", "vanish", "hostile", "cost",
                                                         "soak"])
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    client = Client(options.url, options.pid, options.model, options.distinct)
    if options.tokens:
        client.bodies = [body | {"max_tokens": options.tokens} for body in client.bodies]
    await client.references()
    for name in options.scenarios:
        for _ in range(1 if name in ("cost", "soak", "hostile") else options.rounds):
            await measured(client, globals()[name], options)


if __name__ == "__main__":
    asyncio.run(main())
