"""The structure checks find what they are there to find: each is shown a planted violation and an innocent twin."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_architecture
import check_isa_symbols
import check_layers


def messages(path, text):
    return [message for _, message in check_layers.check_file(path, text)]


class Layers(unittest.TestCase):
    def test_an_include_may_only_go_down_or_stay(self):
        self.assertEqual(messages("src/gguf/reader.cpp", '#include "tensor/dtype.h"\n#include "gguf/a.h"\n'), [])
        self.assertIn("layer 2", messages("src/gguf/reader.cpp", '#include "model/config.h"\n')[0])
        self.assertIn("layer 2", messages("src/gguf/reader.cpp", '#include "kernels/table.h"\n')[0])

    def test_some_folders_see_only_named_headers(self):
        self.assertEqual(messages("src/model/llama.cpp", '#include "backend/backend.h"\n'), [])
        self.assertIn("sees backend/backend.h", messages("src/model/llama.cpp", '#include "backend/cpu/cpu.h"\n')[0])

    def test_an_include_names_its_layer(self):
        self.assertIn("layer/file.h", messages("src/gguf/reader.cpp", '#include "reader.h"\n')[0])

    def test_confined_headers(self):
        for header, home, elsewhere in [
                ("unistd.h", "src/base/mapping.cpp", "src/gguf/reader.cpp"),
                ("sys/mman.h", "src/base/mapping.cpp", "apps/quern/run.cpp"),
                ("sys/socket.h", "src/server/os_socket.cpp", "src/server/http.cpp"),
                ("nlohmann/json.hpp", "src/engine/discovery.cpp", "src/engine/discovery.h"),
                ("cuda_runtime.h", "src/backend/gpu/cuda/device.cpp", "src/backend/cpu/cpu.cpp"),
                ("mpi.h", "src/distributed/mpi.cpp", "src/engine/engine.cpp")]:
            text = f"#include <{header}>\n"
            self.assertEqual(messages(home, text), [], header)
            self.assertEqual(len(messages(elsewhere, text)), 1, header)

    def test_the_environment_is_read_in_apps_only(self):
        call = 'const char* home = std::getenv("HOME");\n'
        self.assertEqual(messages("apps/quern/main.cpp", call), [])
        self.assertEqual(len(messages("src/engine/engine.cpp", call)), 1)
        self.assertEqual(messages("src/engine/engine.cpp", '// getenv\nauto s = "getenv";\n/* getenv */\n'), [])

    def test_a_folder_without_a_layer_is_a_problem(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "src" / "misc").mkdir(parents=True)
            (root / "src" / "misc" / "a.h").write_text("")
            self.assertEqual(len(check_layers.check_tree(root)[1]), 1)


class IsaSymbols(unittest.TestCase):
    def test_defined_weak_symbols_are_found_and_undefined_ones_are_not(self):
        listing = ("0000000000000000 T quern::dot(int)\n0000000000000000 W int std::max(int)\n"
                   "                 w __gmon_start__\n0000000000000000 u quern::table\n                 U memcpy\n")
        self.assertEqual(check_isa_symbols.weak_symbols(listing), ["int std::max(int)", "quern::table"])


class Architecture(unittest.TestCase):
    def test_missing_paths_are_found(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "src" / "gguf").mkdir(parents=True)
            for name in ("a.h", "a.cpp"):
                (root / "src" / "gguf" / name).write_text("")
            text = "`src/gguf/` `src/gguf/a.{h,cpp}` `src/gguf/*.h` [x](src/gone.h) `src/b.{h,cpp}` `Result<T>` `a/b c`"
            named, missing = check_architecture.missing_paths(text, root)
            self.assertEqual(missing, ["src/b.cpp", "src/b.h", "src/gone.h"])
            self.assertEqual(len(named), 7)


if __name__ == "__main__":
    unittest.main()
