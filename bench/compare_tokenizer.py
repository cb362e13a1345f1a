#!/usr/bin/env python3
"""Tokenizer speed beside Hugging Face's `tokenizers` on one thread, the two in turn, same vocabulary and text.

usage: compare_tokenizer.py TOKENIZER_BENCH VOCAB.gguf TEXT
TOKENIZER_BENCH is build/bench/bench/tokenizer_bench; run with the Python of build/venv (tools/venv.sh).
The vocabulary is one of pre-tokenizer smollm, llama-bpe or gpt-2.
"""
import json
import os
import statistics
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import gguf  # noqa: E402
import tokenizers  # noqa: E402
from tokenizers import Regex, models, pre_tokenizers  # noqa: E402

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def split_of(pre):
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if pre in ("llama-bpe", "llama3"):
        return [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), plain]
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return [pre_tokenizers.Digits(individual_digits=True), gpt2] if pre == "smollm" else [gpt2]


def hugging_face(path):
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"].contents()]
    pre = fields["tokenizer.ggml.pre"].contents()
    model = models.BPE(vocab={token: at for at, token in enumerate(tokens)}, merges=merges,
                       ignore_merges=pre in ("llama-bpe", "llama3"))
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split_of(pre))
    return tokenizer


def quern_mb_per_s(program, vocab, text):
    environment = dict(os.environ, QUERN_BENCH_VOCAB=vocab, QUERN_BENCH_TEXT=text)
    out = subprocess.run([program, "--benchmark_filter=prose", "--benchmark_format=json"], env=environment,
                         check=True, capture_output=True).stdout
    return max(run["bytes_per_second"] for run in json.loads(out)["benchmarks"] if "bytes_per_second" in run) / 1e6


def main():
    program, vocab, text_path = sys.argv[1:]
    text = open(text_path, encoding="utf-8").read()
    size_mb = len(text.encode()) / 1e6
    reference = hugging_face(vocab)
    ours, theirs = [], []
    for _ in range(5):
        ours.append(quern_mb_per_s(program, vocab, text_path))
        start = time.perf_counter()
        reference.encode(text, add_special_tokens=False)
        theirs.append(size_mb / (time.perf_counter() - start))
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"quern {mine:.1f} MB/s, tokenizers {tokenizers.__version__} {other:.2f} MB/s, ratio {mine / other:.1f}")


if __name__ == "__main__":
    main()
