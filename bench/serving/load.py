#!/usr/bin/env python3
"""Closed-loop load on a server with OpenAI's routes: so many clients, each sending its next request when its last ended.

    bench/serving/load.py --url http://127.0.0.1:11434 --clients 32 --requests 128

Prints one JSON object: tokens/s over all clients, and percentiles of the time to the first token, between tokens and
to the end. With --shared-words every prompt begins with the same words, as a system prompt does.
"""
import argparse
import asyncio
import json
import time
import urllib.parse

from client import Client, percentile, words


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:11434")
    parser.add_argument("--model", default="")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=0, help="in all; default: 4 a client")
    parser.add_argument("--words", type=int, default=48, help="of each prompt, its own")
    parser.add_argument("--shared-words", type=int, default=0, help="before them, the same in every prompt")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def payload(args, number):
    prompt = words(args.seed * 1_000_003 + number + 1, args.words)
    if args.shared_words:
        prompt = words(-args.seed - 1, args.shared_words) + " " + prompt
    return {"model": args.model, "prompt": prompt, "max_tokens": args.max_tokens, "temperature": 0.8, "seed": number,
            "stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True}


async def one_client(args, numbers, answers):
    url = urllib.parse.urlsplit(args.url)
    client = Client(url.hostname, url.port)
    for number in numbers:
        answers.append(await client.complete(payload(args, number)))
    client.close()


async def run(args):
    n_requests = args.requests or 4 * args.clients
    numbers = iter(range(n_requests))
    answers = []
    start = time.perf_counter()
    await asyncio.gather(*(one_client(args, numbers, answers) for _ in range(args.clients)))
    return answers, time.perf_counter() - start


def summary(args, answers, seconds):
    good = [answer for answer in answers if answer.ok]
    gaps = [later - sooner for answer in good for sooner, later in zip(answer.times, answer.times[1:])]
    first = [answer.times[0] for answer in good if answer.times]
    n_tokens = sum(answer.n_tokens for answer in good)
    ms = lambda values, share: round(1000 * percentile(values, share), 1)
    return {"clients": args.clients, "requests": len(answers), "failed": len(answers) - len(good), "seconds": round(seconds, 2),
            "completion_tokens": n_tokens, "cached_tokens": sum(answer.n_cached for answer in good),
            "tokens_per_s": round(n_tokens / seconds, 1),
            "ttft_ms_p50": ms(first, 0.5), "ttft_ms_p99": ms(first, 0.99),
            "inter_token_ms_p50": ms(gaps, 0.5), "inter_token_ms_p99": ms(gaps, 0.99),
            "e2e_ms_p50": ms([answer.seconds for answer in good], 0.5),
            "errors": sorted({answer.error for answer in answers if answer.error})[:3]}


def main():
    args = parse_args()
    answers, seconds = asyncio.run(run(args))
    print(json.dumps(summary(args, answers, seconds)))


if __name__ == "__main__":
    main()
