#!/usr/bin/env python3
"""Tokenizer speed on one thread beside Hugging Face's `tokenizers` and llama.cpp, all in turn, same vocabulary and text.

usage: compare_tokenizer.py [--llama-tokenize PROGRAM] [--turns N] TOKENIZER_BENCH VOCAB.gguf... TEXT
TOKENIZER_BENCH is build/bench/bench/tokenizer_bench; run with the Python of build/venv (tools/venv.sh).
A vocabulary is byte-level BPE of pre-tokenizer smollm, llama-bpe or gpt-2, or SentencePiece BPE ("llama").
llama.cpp's time is that of llama-tokenize with the text less that with one letter, its printing of ids included.
Ends with status 1 when the programs count different numbers of tokens.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import gguf  # noqa: E402
import tokenizers  # noqa: E402
from tokenizers import Regex, models, normalizers, pre_tokenizers  # noqa: E402

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def split_of(pre):
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if pre in ("llama-bpe", "llama3"):
        return [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), plain]
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if pre == "smollm":
        return [pre_tokenizers.Digits(individual_digits=True), gpt2]
    if pre in ("gpt-2", "gpt2"):
        return [gpt2]
    sys.exit(f"pre-tokenizer '{pre}' is not known here; expected smollm, llama-bpe or gpt-2")


def byte_level(fields):
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"].contents()]
    pre = fields["tokenizer.ggml.pre"].contents()
    model = models.BPE(vocab={token: at for at, token in enumerate(tokens)}, merges=merges,
                       ignore_merges=pre in ("llama-bpe", "llama3"))
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split_of(pre))
    return tokenizer


def sentence_piece(fields):
    """As Hugging Face converts such files: every way to cut a token into two is a merge, in order of the token's score."""
    tokens = fields["tokenizer.ggml.tokens"].contents()
    scores = fields["tokenizer.ggml.scores"].contents()
    ids = {token: at for at, token in enumerate(tokens)}
    merges = []
    for token, score in zip(tokens, scores):
        pieces = [(token[:at], token[at:]) for at in range(1, len(token))]
        pieces = [piece for piece in pieces if piece[0] in ids and piece[1] in ids]
        merges += [(-score, ids[left], ids[right], (left, right)) for left, right in pieces]
    merges.sort(key=lambda merge: merge[:3])
    model = models.BPE(vocab=ids, merges=[merge[3] for merge in merges], unk_token="<unk>", fuse_unk=True,
                       byte_fallback=True)
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    return tokenizer


def hugging_face(path):
    fields = gguf.GGUFReader(path).fields
    kind = fields["tokenizer.ggml.model"].contents()
    if kind not in ("gpt2", "llama"):
        sys.exit(f"{path}: tokenizer.ggml.model is '{kind}'; expected gpt2 or llama")
    return byte_level(fields) if kind == "gpt2" else sentence_piece(fields)


class Quern:
    def __init__(self, program, vocab, text_path):
        self.command = [program, "--benchmark_filter=encode/prose", "--benchmark_min_time=0.3", "--benchmark_format=json"]
        self.environment = dict(os.environ, QUERN_BENCH_VOCAB=vocab, QUERN_BENCH_TEXT=text_path)
        self.name = "quern"

    def measure(self):
        out = subprocess.run(self.command, env=self.environment, check=True, stdout=subprocess.PIPE).stdout
        run, = json.loads(out)["benchmarks"]
        if run.get("error_occurred"):
            sys.exit(run["error_message"])
        return run["real_time"] / 1e3, int(run["tokens"])  # the benchmark counts in milliseconds


class HuggingFace:
    def __init__(self, vocab, text_path):
        self.tokenizer = hugging_face(vocab)
        self.text = Path(text_path).read_text("utf-8")
        self.name = f"tokenizers {tokenizers.__version__}"

    def measure(self):
        start = time.perf_counter()
        encoding = self.tokenizer.encode(self.text, add_special_tokens=False)
        return time.perf_counter() - start, len(encoding)


class LlamaCpp:
    def __init__(self, program, vocab, text_path):
        self.command = [program, "-m", vocab, "--ids", "--no-bos", "--no-parse-special", "--show-count", "--log-disable"]
        self.text_path = text_path
        self.name = "llama.cpp"

    def tokenize(self, path):
        start = time.perf_counter()
        out = subprocess.run([*self.command, "-f", path], check=True, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL).stdout
        return time.perf_counter() - start, int(out.split()[-1])

    def measure(self):
        with tempfile.NamedTemporaryFile("w") as one_letter:
            one_letter.write("a")
            one_letter.flush()
            loading, _ = self.tokenize(one_letter.name)
        took, n_tokens = self.tokenize(self.text_path)
        return took - loading, n_tokens


def compare(vocab, options):
    """Prints one line a program. True when all count the same tokens."""
    programs = [Quern(options.tokenizer_bench, vocab, options.text), HuggingFace(vocab, options.text)]
    if options.llama_tokenize:
        programs.append(LlamaCpp(options.llama_tokenize, vocab, options.text))
    turns = [[program.measure() for program in programs] for _ in range(options.turns)]
    size_mb = os.path.getsize(options.text) / 1e6
    seconds = [statistics.median(turn[at][0] for turn in turns) for at in range(len(programs))]
    print(Path(vocab).stem)
    for program, took, (_, n_tokens) in zip(programs, seconds, turns[0]):
        print(f"  {program.name:18} {size_mb / took:8.2f} MB/s  {n_tokens:8} tokens  quern is {took / seconds[0]:6.1f} x as fast")
    return len({n_tokens for _, n_tokens in turns[0]}) == 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-tokenize", metavar="PROGRAM")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("tokenizer_bench")
    parser.add_argument("vocab", nargs="+")
    parser.add_argument("text")
    options = parser.parse_args()
    same = [compare(vocab, options) for vocab in options.vocab]
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
