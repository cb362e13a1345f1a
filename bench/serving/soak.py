#!/usr/bin/env python3
"""Resident memory of a server under steady load: it must not grow once its KV pool has been filled twice.

    quern serve MODEL --kv-bytes 100663296 &
    bench/serving/soak.py --url http://127.0.0.1:11434 --pid $! --seconds 600

Prints the resident memory every five seconds, then by how much it grew from the moment when the pool had been filled twice.
"""
import argparse
import asyncio
import json
import time
import types
import urllib.parse
import urllib.request

from client import Client, resident_mb, words


def pool_tokens(url):
    """Tokens that the KV pool holds: 16 a block."""
    with urllib.request.urlopen(url + "/health", timeout=10) as answer:
        return 16 * json.load(answer)["kv"]["blocks_total"]


async def client_loop(state, index):
    url = urllib.parse.urlsplit(state.url)
    client = Client(url.hostname, url.port)
    number = index
    while time.perf_counter() < state.until:
        number += state.clients
        # Lengths vary, so that blocks are freed and taken in many orders.
        payload = {"model": "", "prompt": words(number, 8 + number * 37 % 200), "max_tokens": 16 + number * 13 % 100,
                   "seed": number, "stream": number % 2 == 0, "ignore_eos": True}
        answer = await client.complete(payload)
        state.n_failed += not answer.ok
        state.n_requests += 1
        state.n_tokens += 1.4 * (8 + number * 37 % 200) + 16 + number * 13 % 100  # about; only to tell when the pool was filled
    client.close()


async def watch(state):
    baseline = peak = None
    start = time.perf_counter()
    while time.perf_counter() < state.until:
        await asyncio.sleep(5)
        rss = resident_mb(state.pid)
        if baseline is None and state.n_tokens >= 2 * state.pool:
            baseline = rss
        if baseline is not None:
            peak = max(peak or 0, rss)
        print(f"{time.perf_counter() - start:6.0f} s  rss {rss:.1f} MB  requests {state.n_requests}  failed {state.n_failed}",
              flush=True)
    if baseline is None:
        print("the pool was not filled twice; expected a longer run or a smaller --kv-bytes")
        return
    growth = 100 * (resident_mb(state.pid) - baseline) / baseline
    print(f"growth since the pool was filled twice: {growth:.2f} %, at the highest {100 * (peak - baseline) / baseline:.2f} %")


async def run(args):
    state = types.SimpleNamespace(url=args.url, pid=args.pid, clients=args.clients, n_requests=0, n_failed=0, n_tokens=0,
                                  pool=pool_tokens(args.url), until=time.perf_counter() + args.seconds)
    await asyncio.gather(watch(state), *(client_loop(state, index) for index in range(args.clients)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:11434")
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=24)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
