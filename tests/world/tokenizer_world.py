"""Token ids of the demo model's vocabulary against Hugging Face tokenizers, built from the same vocabulary and merges."""
import json
import random
import sys
import tempfile
import unicodedata

import gguf
import tokenizers
from report import QUERN, ROOT, Report, demo_model, run
from tokenizers import decoders, models, pre_tokenizers


def reference(path):
    """A tokenizers.Tokenizer with the file's vocabulary, split as the name 'smollm' says: single digits, then GPT-2's regex."""
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"].contents()]
    kinds = fields["tokenizer.ggml.token_type"].contents()
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab={token: at for at, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds) if kind in (3, 4)]
    tokenizer.add_special_tokens([tokenizers.AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def texts():
    """The project's own papers and sources, and seeded random strings over every script."""
    yield from (path.read_text("utf-8") for path in sorted(ROOT.glob("*.md")) + sorted((ROOT / "src" / "base").glob("*")))
    rng = random.Random(20260115)
    assigned = [chr(code) for code in range(0x20, 0x1F900) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    ascii_characters = [chr(code) for code in range(0x20, 0x7F)] + ["\n", "\t", "\r\n", "  ", "'s", "'LL", "12345"]
    for alphabet, count in ((ascii_characters, 300), (assigned, 300), (assigned + ascii_characters * 50, 300)):
        for _ in range(count):
            yield "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 60)))
    yield from ("<|im_start|>user\nHi<|im_end|>\n", "a<|im_start|>b", "<|im_start", " <|endoftext|> ", "")


def main():
    if not demo_model().exists():
        print("0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    report = Report()
    tokenizer = reference(demo_model())
    cases = [text for text in texts() if "\0" not in text]
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.writelines(json.dumps(text) + "\n" for text in cases)
        file.flush()
        lines = run([QUERN, "tokenize", demo_model(), "--jsonl", file.name]).decode().splitlines()
    report.check("one line per text", None if len(lines) == len(cases) else f"{len(lines)} lines, want {len(cases)}")
    for text, line in zip(cases, lines):
        got, want = json.loads(line), tokenizer.encode(text, add_special_tokens=False).ids
        report.check(repr(text[:40]), None if got == want else f"got {got[:20]}, want {want[:20]}")
    report.finish()


if __name__ == "__main__":
    main()
