#!/usr/bin/env python3
"""Every path named in ARCHITECTURE.md, in backticks or as a link, must exist; a pattern must match something."""
import pathlib
import re
import sys

PATH = re.compile(r"^[A-Za-z0-9_.*{},-]+(?:/[A-Za-z0-9_.*{},-]+)*/?$")
FILE_NAME = re.compile(r"\.(h|cpp|c|py|sh|md|txt|json|cmake|yml)$")
TOKEN = re.compile(r"`([^`\n]+)`|\]\(([^)#\s]+)[^)]*\)")


def named_paths(text):
    """The tokens of a document that mean a path in the repository."""
    for match in TOKEN.finditer(text):
        token = match.group(1) or match.group(2)
        if PATH.match(token) and ("/" in token or FILE_NAME.search(token)) and not token.startswith(("build/", "..")):
            yield token


def expand(token):
    """a/b.{h,cpp} -> a/b.h, a/b.cpp."""
    match = re.search(r"\{([^{}]*)\}", token)
    if not match:
        return [token]
    return [path for option in match.group(1).split(",")
            for path in expand(token[:match.start()] + option + token[match.end():])]


def missing_paths(text, root):
    """(paths named, those that do not exist)."""
    named = sorted({path for token in named_paths(text) for path in expand(token)})
    return named, [path for path in named if not any(root.glob(path.rstrip("/")))]


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    named, missing = missing_paths((root / "ARCHITECTURE.md").read_text("utf-8"), root)
    for path in missing:
        print(f"ARCHITECTURE.md: no such path: {path}", file=sys.stderr)
    print(f"check_architecture: {len(named)} paths, {len(missing)} missing")
    return 1 if missing or not named else 0


if __name__ == "__main__":
    sys.exit(main())
