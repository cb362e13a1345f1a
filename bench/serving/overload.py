#!/usr/bin/env python3
"""Ten times the work that a server can do, with everything clients do wrong, and what it makes of that.

    bench/serving/overload.py --url http://127.0.0.1:11434 --pid $(pgrep -x quern) --seconds 60

The phases: two clients of high priority alone (their unloaded time to the first token); 32 clients in a closed loop (the
peak, measured again at the end); then for --seconds arrivals at --factor times the peak's rate, of normal and low priority, beside the two clients of
high priority, clients that go away in the middle, bad bodies, readers that read almost nothing, and sockets that send
half a request and stay. Every request must be answered: with tokens, or with a status that says why not. The clients of
high priority are a program of their own, so that their times are the server's and not those of a busy event loop here.
"""
import argparse
import asyncio
import collections
import json
import random
import sys
import time
import urllib.parse

from client import Client, percentile, resident_mb, words

BAD_BODIES = [b"", b"{", b"[]", b"null", b'{"prompt": 7}', b'{"prompt":"x","max_tokens":-1}', b'{"prompt":"x","temperature":"hot"}',
              b"\xff\xfe{}", b'{"prompt":"x","n":1e99}', b"[" * 5000, b'{"messages":[{"role":"user"}]}']


class Load:
    def __init__(self, args):
        self.args = args
        url = urllib.parse.urlsplit(args.url)
        self.host, self.port = url.hostname, url.port
        self.statuses = collections.Counter()
        self.unanswered = []
        self.n_good_tokens = 0
        self.high_first = []  # seconds to the first token, of those that this program asks itself
        self.high_gaps = []
        self.number = 0
        self.pool = []  # idle clients with open connections

    def payload(self, **more):
        self.number += 1
        return {"model": "", "prompt": words(self.number, 48), "max_tokens": 64, "temperature": 0.8, "seed": self.number,
                "ignore_eos": True} | more

    async def whole(self, **more):
        """One answer in one piece; counts what came."""
        client = self.pool.pop() if self.pool else Client(self.host, self.port)
        try:
            status, headers = await client.ask("/v1/completions", self.payload(**more), ())
            body = b"".join([piece async for piece in client.read_chunks(headers)])
            self.statuses[status] += 1
            if status == 200:
                self.n_good_tokens += json.loads(body)["usage"]["completion_tokens"]
            if headers.get("connection", "").lower() == "close":
                client.close()
            if len(self.pool) < 400:
                self.pool.append(client)
            else:
                client.close()
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            self.unanswered.append(f"{type(error).__name__}: {error}")
            client.close()

    async def high(self, until, count=10**9):
        """A closed loop of streamed requests of high priority."""
        client = Client(self.host, self.port)
        while count > 0 and time.perf_counter() < until:
            count -= 1
            answer = await client.complete(self.payload(stream=True, priority="high", max_tokens=16))
            if answer.ok and answer.times:
                self.high_first.append(answer.times[0])
                self.high_gaps += [b - a for a, b in zip(answer.times, answer.times[1:])]
            else:
                self.unanswered.append(f"high priority: {answer.status} {answer.error}")
        client.close()

    async def closed_loop(self, until):
        while time.perf_counter() < until:
            await self.whole()

    async def arrivals(self, until, per_second):
        """Requests at their times, however many are still waiting."""
        chance = random.Random(1)
        tasks = set()
        next_at = time.perf_counter()
        while time.perf_counter() < until:
            next_at += chance.expovariate(per_second)
            await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
            task = asyncio.create_task(self.whole(priority=chance.choice(["normal", "low", 0, 5])))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=120)
        self.unanswered += ["no answer within 120 s"] * len(tasks)

    async def leavers(self, until):
        """Begin a stream and go away after its first bytes."""
        while time.perf_counter() < until:
            client = Client(self.host, self.port)
            try:
                await client.send("/v1/completions", self.payload(stream=True, max_tokens=200))
                await asyncio.wait_for(client.reader.read(100), 2)
            except (OSError, asyncio.TimeoutError):
                pass
            client.close()
            await asyncio.sleep(0.1)

    async def bad_bodies(self, until):
        """Each must be answered with a status of 400, or of 503 by a server that has no time to read it."""
        number = 0
        while time.perf_counter() < until:
            body = BAD_BODIES[number % len(BAD_BODIES)]
            number += 1
            client = Client(self.host, self.port)
            try:
                await client.connect()
                client.writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                    b"Content-Length: %d\r\n\r\n" % len(body) + body)
                status, _ = await asyncio.wait_for(client.read_head(), 30)
                if status not in (400, 503):
                    self.unanswered.append(f"bad body {body[:20]!r}: {status}")
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
                self.unanswered.append(f"bad body {body[:20]!r}: {type(error).__name__}")
            client.close()
            await asyncio.sleep(0.05)

    async def slow_reader(self, until):
        """Takes a byte a second of a long stream."""
        client = Client(self.host, self.port)
        try:
            await client.send("/v1/completions", self.payload(stream=True, max_tokens=400))
            while time.perf_counter() < until and await client.reader.read(1):
                await asyncio.sleep(1)
        except OSError:
            pass
        client.close()

    async def half_open(self, until):
        """Half a request, then silence until the server hangs up."""
        while time.perf_counter() < until:
            client = Client(self.host, self.port)
            try:
                await client.connect()
                client.writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"pro")
                await asyncio.wait_for(client.reader.read(1), max(0.1, until - time.perf_counter()))
            except (OSError, asyncio.TimeoutError):
                pass
            client.close()


async def high_alone(args):
    """The part of the program that only asks with high priority: two closed loops, until the time or the count is over."""
    load = Load(args)
    load.number = 1_000_000 + int(time.time()) % 1000 * 1000  # other prompts than in the calls before
    until = time.perf_counter() + args.seconds
    await asyncio.gather(*(load.high(until, args.high_requests) for _ in range(2)))
    return {"first": load.high_first, "gaps": load.high_gaps, "unanswered": load.unanswered}


async def high_program(args, seconds, count=10**9):
    """high_alone() in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--url", args.url, "--pid", str(args.pid), "--seconds", str(seconds), "--high-requests", str(count),
        stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return json.loads(output)


async def closed_loop_peak(load):
    """Tokens a second of 32 clients that ask again when they are answered."""
    load.n_good_tokens, start = 0, time.perf_counter()
    await asyncio.gather(*(load.closed_loop(start + load.args.peak_seconds) for _ in range(32)))
    return load.n_good_tokens / (time.perf_counter() - start)


async def run(args):
    load = Load(args)
    now = time.perf_counter
    await load.whole()
    unloaded = percentile((await high_program(args, 60, 40))["first"], 0.99)
    peak = await closed_loop_peak(load)
    load.n_good_tokens = 0
    load.statuses.clear()
    load.unanswered.clear()
    rss_before, start = resident_mb(args.pid), now()
    until = start + args.seconds
    high, *_ = await asyncio.gather(
        high_program(args, args.seconds), load.arrivals(until, args.factor * peak / 64), load.leavers(until), load.bad_bodies(until),
        *(load.slow_reader(until) for _ in range(8)), *(load.half_open(until) for _ in range(8)))
    load.unanswered += high["unanswered"]
    goodput = (load.n_good_tokens + 16 * len(high["first"])) / (now() - start)
    statuses, rss_after = dict(load.statuses), resident_mb(args.pid)
    peak = (peak + await closed_loop_peak(load)) / 2  # before and after: the machine's own speed drifts
    ms = lambda seconds: round(1000 * seconds, 1)
    return {"peak_tokens_per_s": round(peak, 1), "goodput_tokens_per_s": round(goodput, 1), "goodput_share": round(goodput / peak, 3),
            "statuses": statuses, "unanswered": len(load.unanswered), "examples": sorted(set(load.unanswered))[:5],
            "high_ttft_ms_p99_unloaded": ms(unloaded), "high_ttft_ms_p99": ms(percentile(high["first"], 0.99)),
            "high_inter_token_ms_p50": ms(percentile(high["gaps"], 0.5)), "high_requests": len(high["first"]),
            "high_inter_token_ms_p99": ms(percentile(high["gaps"], 0.99)),
            "rss_mb_before": round(rss_before, 1), "rss_mb_after": round(rss_after, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:11434")
    parser.add_argument("--pid", type=int, required=True, help="the server's, for its resident memory")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--peak-seconds", type=float, default=20)
    parser.add_argument("--factor", type=float, default=10)
    parser.add_argument("--high-requests", type=int, default=0, help="ask with high priority only, so many times with each client")
    args = parser.parse_args()
    print(json.dumps(asyncio.run(high_alone(args) if args.high_requests else run(args)), indent=1))


if __name__ == "__main__":
    main()
