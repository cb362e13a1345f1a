"""bench/compare on programs that print known figures: pairs, ratios, intervals and what a peer cannot do."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import sys
import tempfile
import textwrap
import unittest

PATH = pathlib.Path(__file__).resolve().parents[2] / "bench" / "compare"
sys.dont_write_bytecode = True
SPEC = importlib.util.spec_from_loader("compare", importlib.machinery.SourceFileLoader("compare", str(PATH)))
compare = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(compare)

QUERN = """
    import json, sys
    a = dict(zip(sys.argv[3::2], sys.argv[4::2]))
    speed = (400 if a["--gen"] == "0" else 20 * float(a["--seqs"]) ** 0.5) * (0.5 if a["--depth"] != "0" else 1)
    print(json.dumps([{"tokens_per_s": speed, "gb_per_s": 30, "pct_of_bandwidth": 60, "tops": 1, "pct_of_compute": 50,
                       "isa": "avx2"}]))
"""
# Of llama.cpp's kind, with a line before the JSON.
PEER = """
    import json, sys
    if "--help" in sys.argv:
        print("  -n, --n-gen <n>  -d, --n-depth <n>")
        sys.exit(0)
    print("loading [x]")
    print(json.dumps([{"avg_ts": 200 if "0" == sys.argv[sys.argv.index("-n") + 1] else 10}], indent=2))
"""


def run(arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
        status = compare.main(arguments)
    return status, out.getvalue(), err.getvalue()


class Compare(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def program(self, name, text):
        path = self.folder / name
        path.write_text(f"#!{sys.executable}\n" + textwrap.dedent(text))
        path.chmod(0o755)
        return str(path)

    def model(self, name="m.gguf"):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        return str(path)

    def test_ratios_and_kept_shares(self):
        status, out, _ = run(["--quern", self.program("quern", QUERN), "--peer", "other=" + self.program("peer", PEER),
                              "--pairs", "3", "--json", "--tests", "pp512,tg64,tg64@4096,tg64x16", self.model()])
        self.assertEqual(status, 0)
        prompt, gen, deep, many = json.loads(out)
        self.assertEqual(prompt["peers"]["other"]["ratio"], 2)
        self.assertEqual((gen["tokens_per_s"], gen["kept"]), (20, None))
        self.assertEqual((deep["kept"], deep["peers"]["other"]["kept"]), (0.5, 1))
        self.assertEqual((many["kept"], many["peers"]), (4, {}))

    def test_a_table_names_every_peer_and_marks_what_it_cannot_do(self):
        status, out, _ = run(["--quern", self.program("quern", QUERN), "--peer", "other=" + self.program("peer", PEER),
                              "--pairs", "2", "--tests", "tg64,tg64x4", self.model()])
        self.assertEqual(status, 0)
        self.assertIn("| m.gguf | tg64 | 20.0 | 60 | 50 | 10.0 | 2.00 [2.00, 2.00] |", out)
        self.assertIn("| m.gguf | tg64x4 | 40.0 (2.00 kept) | 60 | 50 | - | - |", out)

    def test_a_peer_without_depth_generates_after_a_prompt(self):
        peer = compare.LlamaBench("ik=" + self.program("ik", 'print("  -n, --n-gen <n>\\n  -gp <pp,tg>")'))
        self.assertEqual(peer.what(compare.Test("tg64@4096")), ["-p", "0", "-n", "0", "-gp", "4096,64"])
        self.assertFalse(peer.can(compare.Test("pp512@4096")))

    def test_a_program_that_fails_is_one_line(self):
        bad = self.program("bad", "import sys\nsys.exit('no such model')")
        status, out, err = run(["--quern", bad, "--tests", "tg1", self.model()])
        self.assertEqual((status, out), (1, ""))
        self.assertIn("ended with status 1: no such model", err)

    def test_what_is_no_llama_bench_or_no_file_is_refused_before_anything_runs(self):
        quern = self.program("quern", "import sys\nsys.exit('was run')")
        for arguments, message in ((["--peer", "a=" + self.program("echo", "print('hello')"), self.model()], "is not llama-bench"),
                                   (["--peer", "=x", self.model()], "is no peer"),
                                   ([self.model(), str(self.folder / "none.gguf")], "no file")):
            status, out, err = run(["--quern", quern, "--tests", "tg1", *arguments])
            self.assertEqual((status, out), (1, ""))
            self.assertIn(message, err)

    def test_what_was_measured_before_a_failure_is_printed(self):
        fails_at_depth = QUERN + "    if a['--depth'] != '0':\n        sys.exit('too deep')\n"
        quern = self.program("quern", fails_at_depth.replace("print(json", "if a['--depth'] == '0': print(json"))
        status, out, err = run(["--quern", quern, "--pairs", "1", "--tests", "tg64,tg64@9", self.model()])
        self.assertEqual(status, 1)
        self.assertIn("| m.gguf | tg64 | 20.0 |", out)
        self.assertIn("too deep", err)

    def test_models_of_one_file_name_are_kept_apart(self):
        quern = self.program("quern", QUERN.replace("speed = (", "speed = (2 if '/b/' in sys.argv[2] else 1) * ("))
        status, out, _ = run(["--quern", quern, "--pairs", "1", "--json", "--tests", "tg64,tg64,tg64x4",
                              self.model("a/m.gguf"), self.model("b/m.gguf")])
        self.assertEqual(status, 0)
        self.assertEqual([row["kept"] for row in json.loads(out)], [None, 2, None, 2])

    # Order statistics by hand: of 7 coins the chance of none or all on one side is 2/128; of 11, k = 2 gives
    # 1 - 2 * (1 + 11) / 2048.
    def test_the_interval_is_that_of_order_statistics(self):
        low, high, probability = compare.median_interval([7, 1, 3, 2, 5, 4, 6])
        self.assertEqual((low, high), (1, 7))
        self.assertAlmostEqual(probability, 1 - 2 / 128)
        low, high, probability = compare.median_interval(list(range(1, 12)))
        self.assertEqual((low, high), (2, 10))
        self.assertAlmostEqual(probability, 1 - 24 / 2048)

    def test_the_wrong_name_of_a_test_is_refused(self):
        for name in ("tg", "pp0", "tg64@", "x4", "tg64x0"):
            with self.assertRaises(compare.argparse.ArgumentTypeError):
                compare.Test(name)


if __name__ == "__main__":
    unittest.main()
