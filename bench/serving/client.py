"""A small HTTP client for load tests: one streamed completion over a kept-alive connection, with times.

Only the standard library, so that the clients cost little beside the server that is measured.
"""
import asyncio
import json
import pathlib
import random
import time

# Short words that every English vocabulary has as one token or two; the text means nothing on purpose.
WORDS = ("time year people way day man thing woman life child world school state family student group country problem hand "
         "part place case week company system program question work government number night point home water room mother "
         "area money story fact month lot right study book eye job word business issue side kind head house service friend "
         "father power hour game line end member law car city community name president team minute idea kid body "
         "information back parent face others level office door health person art war history party result change morning "
         "reason research girl guy moment air teacher force education").split()


def words(seed, count):
    """`count` words, always the same for a seed."""
    return " ".join(random.Random(seed).choices(WORDS, k=count))


class Answer:
    """What came back of one request. Times are seconds after it was sent."""

    def __init__(self):
        self.status = 0
        self.error = ""
        self.times = []  # of each piece of text
        self.n_tokens = 0
        self.n_cached = 0
        self.finish = ""
        self.seconds = 0.0
        self.retry_after = None

    @property
    def ok(self):
        return self.status == 200 and not self.error


class Client:
    """One connection at a time to a server with OpenAI's routes; reconnects when it was closed."""

    def __init__(self, host, port):
        self.host, self.port = host, port
        self.reader = self.writer = None

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port, limit=1 << 22)

    def close(self):
        if self.writer is not None:
            self.writer.close()
            self.reader = self.writer = None

    async def send(self, path, payload, headers=()):
        if self.writer is None:
            await self.connect()
        body = json.dumps(payload).encode()
        lines = [f"POST {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Content-Type: application/json",
                 f"Content-Length: {len(body)}", *headers]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self.writer.drain()

    async def read_head(self):
        """The status and the headers, names in lower case."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(head[0].split()[1]), headers

    async def ask(self, path, payload, headers):
        """Sends and reads the head. A server may have closed an idle connection: then once more on a new one."""
        reused = self.writer is not None
        try:
            await self.send(path, payload, headers)
            return await self.read_head()
        except (OSError, asyncio.IncompleteReadError) as error:
            if not reused or getattr(error, "partial", b""):
                raise
        self.close()
        await self.send(path, payload, headers)
        return await self.read_head()

    async def read_chunks(self, headers):
        """The pieces of a body as they arrive."""
        if headers.get("transfer-encoding", "").lower() != "chunked":
            yield await self.reader.readexactly(int(headers.get("content-length", 0)))
            return
        while True:
            size = int((await self.reader.readline()).split(b";")[0], 16)
            data = await self.reader.readexactly(size + 2)
            if size == 0:
                return
            yield data[:-2]

    async def complete(self, payload, path="/v1/completions", headers=()):
        """Streams one completion; failures are told in the answer, not raised."""
        answer = Answer()
        start = time.perf_counter()
        try:
            answer.status, received = await self.ask(path, payload, headers)
            answer.retry_after = received.get("retry-after")
            rest = b""
            async for piece in self.read_chunks(received):
                now = time.perf_counter() - start
                rest += piece
                *events, rest = rest.split(b"\n\n")
                for event in events:
                    take_event(answer, event, now)
            if answer.status != 200:
                answer.error = rest.decode("utf-8", "replace")[:200]
            if received.get("connection", "").lower() == "close":
                self.close()
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            answer.error = answer.error or f"{type(error).__name__}: {error}"
            self.close()
        answer.seconds = time.perf_counter() - start
        return answer


def take_event(answer, event, now):
    """One server-sent event of a completion or a chat."""
    if not event.startswith(b"data: ") or event == b"data: [DONE]":
        return
    data = json.loads(event[6:])
    if "error" in data:
        answer.error = str(data["error"])
    for choice in data.get("choices") or []:
        text = choice.get("text") or (choice.get("delta") or {}).get("content")
        if text:
            answer.times.append(now)
        answer.finish = choice.get("finish_reason") or answer.finish
    usage = data.get("usage")
    if usage:
        answer.n_tokens = usage.get("completion_tokens", 0)
        answer.n_cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0


def resident_mb(pid):
    """The process's resident memory; 0 when it cannot be told."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def percentile(values, share):
    """The value below which `share` of the values lie (nearest rank); 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
