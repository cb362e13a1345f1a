#!/usr/bin/env python3
"""Quern beside another server with OpenAI's routes: the same load on each in turn, several rounds, medians and ratios.

    bench/serving/compare.py --quern build/release/quern --model MODEL.gguf \\
        --peer '/path/to/llama-server -m {model} -np 32 -c 32768 -t 2 --host 127.0.0.1 --port {port}'

Each round starts each server anew, so that neither lives off the other's caches. Resident memory is read at the end of
the load. The servers listen on loopback only.
"""
import argparse
import json
import pathlib
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

from client import resident_mb

HERE = pathlib.Path(__file__).resolve().parent
QUERN = "{quern} serve {model} --host 127.0.0.1 --port {port} --threads {threads} --max-seqs 32 --ctx 1024"
CASES = [
    ("1 client", ["--clients", "1", "--requests", "12"]),
    ("8 clients", ["--clients", "8", "--requests", "48"]),
    ("32 clients", ["--clients", "32", "--requests", "128"]),
    ("16 clients, 300 words shared", ["--clients", "16", "--requests", "64", "--shared-words", "300"]),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(port, process):
    for _ in range(1200):
        if process.poll() is not None:
            sys.exit(f"the server ended with {process.returncode} before it was ready")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2) as answer:
                if answer.status == 200 and ready_health(port):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("the server was not ready within two minutes")


def ready_health(port):
    for path in ("/health/ready", "/health"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
                return answer.status == 200
        except urllib.error.HTTPError as error:
            if error.code != 404:
                return False
    return True


def measure(command, port, case, seed):
    process = subprocess.Popen(shlex.split(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(port, process)
        load = [sys.executable, str(HERE / "load.py"), "--url", f"http://127.0.0.1:{port}"]
        warm = subprocess.run([*load, "--clients", "1", "--requests", "1", "--seed", "99"], capture_output=True, check=True)
        assert warm.stdout
        result = json.loads(subprocess.run([*load, *case, "--seed", str(seed)], capture_output=True, check=True).stdout)
        result["rss_mb"] = round(resident_mb(process.pid), 1)
        return result
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quern", default="build/release/quern")
    parser.add_argument("--model", required=True)
    parser.add_argument("--peer", default="", help="its command line, with {model} and {port}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    args = parser.parse_args()
    servers = {"quern": QUERN} | ({"peer": args.peer} if args.peer else {})
    for name, case in CASES:
        if args.only not in name:
            continue
        results = {server: [] for server in servers}
        for round_number in range(args.rounds):
            for server, template in servers.items():
                port = free_port()
                command = template.format(quern=args.quern, model=args.model, port=port, threads=args.threads)
                results[server].append(measure(command, port, case, round_number))
        report(name, results)


def report(name, results):
    print(f"\n{name}")
    keys = ["tokens_per_s", "ttft_ms_p50", "ttft_ms_p99", "inter_token_ms_p50", "inter_token_ms_p99", "rss_mb", "failed"]
    for key in keys:
        medians = {server: statistics.median(run[key] for run in runs) for server, runs in results.items()}
        ratio = f"  ratio {medians['quern'] / medians['peer']:.2f}" if medians.get("peer") else ""
        print(f"  {key:<20}" + "".join(f"{server} {value:>10.1f}  " for server, value in medians.items()) + ratio, flush=True)


if __name__ == "__main__":
    main()
