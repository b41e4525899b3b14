"""Makes malformed and hostile HTTP requests for serve_load.py. Request i is the same in every run."""
import asyncio
import json
import random
import socket

PATHS = ("/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize", "/v1/load_lora_adapter",
         "/v1/unload_lora_adapter")
FIELDS = ("model", "prompt", "messages", "max_tokens", "n", "seed", "temperature", "top_p", "top_k", "stop", "stream",
          "stream_options", "logprobs", "echo", "stop_token_ids", "tokens", "lora_name", "lora_path", "user",
          "prompt_logprobs", "ignore_eos", "logit_bias", "min_tokens", "best_of", "response_format")
VALUES = ("null", "true", "-1", "0.5", "1e999", "-1e999", "9" * 400, "1e-400", "9223372036854775808", "NaN", '""',
          '"\\ud800"', '"\\u0000"', "[]", "{}", "[[]]", "[null]", "[-1]", "[99999999999]", '["a", 1]', '{"a": {}}',
          '"' + "x" * 5000 + '"', "2147483647", "-2147483649", "[[[1]]]", '[{"role": 1}]', '[{"role": "tool"}]',
          '[{"role": "user", "content": [{"type": "image_url"}]}]', '"/etc/passwd"', '"../../.."', "0", "1e400")
ANSWER_LIMIT = 60    # seconds


def post(path, body, headers="", length=None):
    length = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    return f"{head}{headers}\r\n".encode() + body


def valid(rng):
    return json.dumps({"prompt": "a", "max_tokens": 1, "seed": rng.randint(0, 99)}).encode()


def binary(rng, path):
    return rng.randbytes(rng.randint(1, 2000))


def bad_json(rng, path):
    body = bytearray(valid(rng))
    for _ in range(rng.randint(1, 4)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    return post(path, bytes(body[:rng.randint(1, len(body))]))


def deep(rng, path):
    depth = rng.choice((50, 500, 1000, 5000, 100_000))
    opened, closed = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
    value = opened * depth + (b"1" + closed * depth if rng.random() < 0.5 else b"")
    return post(path, b'{"prompt":' + value + b"}" if rng.random() < 0.5 else value)


def wrong_field(rng, path):
    fields = {"prompt": '"a"', "max_tokens": "1"} if path == "/v1/completions" else {
        "messages": '[{"role": "user", "content": "a"}]', "max_tokens": "1"}
    for name in rng.sample(FIELDS, rng.randint(1, 3)):
        fields[name] = rng.choice(VALUES)
    if fields["max_tokens"] not in ("0", "-1"):
        fields["max_tokens"] = rng.choice(("1", "1e999", "9" * 400, "[]", "0", "-5"))
    return post(path, ("{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}").encode())


def truncated(rng, path):
    body = valid(rng)
    return post(path, body[:rng.randint(0, len(body) - 1)], length=len(body))


def wrong_length(rng, path):
    body = valid(rng)
    lengths = (len(body) - 5, len(body) + 100, -1, "x", "", 10 ** 9, 10 ** 30, "1, 2", "0x10", f"+{len(body)}")
    headers = rng.choice(("", "Content-Length: 7\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: x\r\n"))
    return post(path, body, headers, rng.choice(lengths))


def flood(rng, path):
    kind = rng.randrange(4)
    if kind == 0:
        return post(path, valid(rng), "".join(f"X-{i}: {i}\r\n" for i in range(5000)))
    if kind == 1:
        return post(path, valid(rng), "X: " + "y" * 100_000 + "\r\n")
    if kind == 2:
        return post("/" + "z" * rng.choice((5000, 50_000)), valid(rng))
    return post(path, valid(rng), "A: b\r\n" * 3000 + "Cookie: " + "c=d; " * 2000 + "\r\n")


def partial(rng, path):
    data = post(path, valid(rng))
    return data[:rng.randint(1, data.index(b"\r\n\r\n") + 3)]


def prologue(rng, path):
    line = rng.choice((f"GET {path} HTTP/1.1", f"BREW {path} HTTP/1.1", f"POST {path} HTTP/9.9", f"POST {path}",
                       "GET /%00 HTTP/1.1", "GET /%zz HTTP/1.1", "GET /../../etc/passwd HTTP/1.1", "GET * HTTP/1.1",
                       "OPTIONS * HTTP/1.1", "CONNECT a:1 HTTP/1.1", "GET /v1/models/%ff%fe HTTP/1.1",
                       "HEAD / HTTP/1.1", "TRACE / HTTP/1.1", "PRI * HTTP/2.0", "GET  / HTTP/1.1", "get / http/1.1",
                       "GET http://x/ HTTP/1.1", "GET /?a=%&&&==\x00 HTTP/1.1", "DELETE /v1/models HTTP/1.1"))
    headers = rng.choice(("Host: h\r\n", "", "Host\r\n", ": x\r\n", "Host: h\r\nA\x00: b\r\n", "Host: h\n\n",
                          " Host: h\r\n",
                          "Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", "Host: h\r\nExpect: x\r\n",
                          "Host: h\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nConnection: Upgrade\r\n"))
    return (line + "\r\n" + headers + "\r\n").encode("latin-1")


def chunked(rng, path):
    body = valid(rng)
    size = rng.choice((f"{len(body):x}", "-1", "zz", "ffffffff", "f" * 40, "", f"{len(body):x};a=b", "0"))
    end = rng.choice(("0\r\n\r\n", "", "0\r\nX: y\r\n\r\n", "5\r\nab"))
    return (f"POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n").encode() + body + (
        "\r\n" + end).encode()


def not_text(rng, path):
    return post(path, b'{"prompt": "' + rng.choice((b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\x00", b"\x1b"))
                + b'", "max_tokens": 1}')


KINDS = (binary, bad_json, deep, wrong_field, wrong_field, wrong_field, truncated, wrong_length, flood, partial,
         prologue, chunked, not_text)


def request(seed, host):
    """Returns the kind, the bytes, and whether the client disconnects without reading the answer."""
    rng = random.Random(seed)
    kind = rng.choice(KINDS)
    return kind.__name__, kind(rng, rng.choice(PATHS)), rng.random() < 0.05


async def exchange(client, data, leave):
    """Sends bytes, closes the connection for writing, and reads to the end. Returns the status of the first answer."""
    try:
        reader, writer = await client.connect()
    except OSError:
        return "refused"
    try:
        writer.write(data)
        if leave:
            return "left"
        writer.write_eof()
        head = await asyncio.wait_for(reader.readline(), ANSWER_LIMIT)
        if not head:
            return "closed"
        if not head.startswith(b"HTTP/1.1 "):
            return "garbage"
        await asyncio.wait_for(reader.read(), ANSWER_LIMIT)
        return head.split()[1].decode()
    except TimeoutError:
        return "stalled"
    except (OSError, socket.error):
        return "reset"
    finally:
        writer.close()
