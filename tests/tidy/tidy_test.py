#!/usr/bin/env python3
"""Plants violations in a small tree and expects tidy.py to find each, and nothing else."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import rules
import source

TIDY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tidy.py")

CLEAN = {
    "base/check.h": "#pragma once\n",
    "storage/types.h": '#pragma once\n\n#include "base/check.h"\n',
    "storage/wal.h": "#pragma once\n",
    "replication/replica.cc": '#include <map>\n\n#include "storage/types.h"\n',
    "server/node/node.h": "#pragma once\n",
    "server/shell/main.cc": '#include <uv.h>\n\n#include "server/node/node.h"\n',
    "README.md": "[Log](docs/wal.md#frames), [a site](https://example.org) and `docs/wal.md`.\n",
    "docs/wal.md": "Back to [the start](../README.md).\n",
    ".clang-format": "BasedOnStyle: Google\nColumnLimit: 100\n",
}


def function_of(lines):
    return "int f() {\n" + "  g();\n" * (lines - 2) + "}\n"


class Tidy(unittest.TestCase):
    def setUp(self):
        self.addCleanup(os.chdir, os.getcwd())

    def run_tidy(self, planted, names=tuple(rules.RULES)):
        """[(path, line, rule)] for the clean tree with `planted` on top."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **planted}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as stream:
                    stream.write(text)
            os.chdir(root)
            files = source.read_tree(root)
            return [(v.path, v.line, name) for name in names for v in rules.RULES[name](files)]

    def expect_found(self, planted, path, line, rule):
        self.assertEqual(self.run_tidy(planted), [(path, line, rule)])

    def expect_clean(self, planted):
        self.assertEqual(self.run_tidy(planted), [])

    def test_a_clean_tree_has_no_violation(self):
        self.expect_clean({})

    def test_the_exit_status_tells(self):
        for text, names, status in [
            ("int a;\n", [], 0),
            ("int  a;\n", [], 1),
            ("int  a;\n", ["names"], 0),
            ("int a;\n", ["no_such_rule"], 2),
            (None, [], 1),
        ]:
            with self.subTest(text=text, names=names), tempfile.TemporaryDirectory() as root:
                if text is not None:
                    os.mkdir(os.path.join(root, "base"))
                    with open(os.path.join(root, "base", "a.cc"), "w", encoding="utf-8") as stream:
                        stream.write(text)
                command = [sys.executable, TIDY, "--root", root, *names]
                run = subprocess.run(command, capture_output=True)
                self.assertEqual(run.returncode, status)

    def test_includes_follow_the_arrows(self):
        for path, header in [
            ("base/a.cc", "storage/types.h"),
            ("resp/a.cc", "storage/types.h"),
            ("storage/a.cc", "server/node/node.h"),
            ("replication/a.cc", "storage/wal.h"),
            ("replication/a.cc", "server/node/node.h"),
            ("tools/a.cc", "server/node/node.h"),
            ("tests/unit/resp/a_test.cc", "storage/types.h"),
        ]:
            with self.subTest(path=path, header=header):
                self.expect_found({path: f'#include "{header}"\n'}, path, 1, "layering")

    def test_the_node_does_not_see_the_shell(self):
        planted = {
            "server/shell/loop.h": "#pragma once\n",
            "server/node/a.cc": '// a\n#include "server/shell/loop.h"\n',
        }
        self.expect_found(planted, "server/node/a.cc", 2, "layering")

    def test_quoted_includes_are_paths_from_the_root(self):
        for line in ('#include "types.h"', '#include "storage/no.h"', "#include <storage/types.h>"):
            with self.subTest(line=line):
                self.expect_found({"storage/a.cc": line + "\n"}, "storage/a.cc", 1, "layering")

    def test_an_include_in_a_comment_is_none(self):
        self.expect_clean({"base/a.cc": '// #include "storage/types.h"\n'})

    def test_a_new_folder_needs_arrows(self):
        self.expect_found({"extra/a.cc": "int a;\n"}, "extra/a.cc", 1, "layering")

    def test_packages_stay_in_their_folders(self):
        for path, header in [
            ("server/node/a.cc", "<uv.h>"),
            ("server/node/a.cc", "<spdlog/spdlog.h>"),
            ("storage/a.cc", "<toml++/toml.h>"),
            ("server/node/a.cc", "<isa-l.h>"),
            ("resp/a.cc", '"absl/status/status.h"'),
            ("storage/a.cc", "<gtest/gtest.h>"),
            ("server/shell/a.cc", "<hiredis/hiredis.h>"),
        ]:
            with self.subTest(path=path, header=header):
                self.expect_found({path: f"#include {header}\n"}, path, 1, "packages")

    def test_headers_banned_from_a_folder(self):
        for path, header in [
            ("replication/a.cc", "thread"),
            ("replication/a.cc", "chrono"),
            ("replication/a.cc", "random"),
            ("replication/a.cc", "iostream"),
            ("replication/a.h", "unordered_map"),
            ("replication/a.cc", "absl/container/flat_hash_map.h"),
            ("storage/a.cc", "chrono"),
            ("storage/a.cc", "time.h"),
            ("server/node/a.cc", "chrono"),
            ("server/node/a.cc", "sys/socket.h"),
            ("tools/a.cc", "cassert"),
        ]:
            with self.subTest(path=path, header=header):
                text = "#pragma once\n" if path.endswith(".h") else "\n"
                found = self.run_tidy({path: text + f"#include <{header}>\n"}, ["banned_headers"])
                self.assertEqual(found, [(path, 2, "banned_headers")])

    def test_the_posix_files_know_the_clock(self):
        self.expect_clean({"storage/posix_file_system.cc": "#include <chrono>\n"})

    def test_code_banned_from_a_folder(self):
        for path, code in [
            ("base/a.cc", "void f() { assert(1); }"),
            ("storage/a.cc", "int a = rand();"),
            ("storage/a.cc", "void f() { throw 1; }"),
            ("replication/a.cc", "std::random_device seed;"),
            ("server/node/a.cc", 'void f() { printf("x"); }'),
            ("tests/unit/base/a_test.cc", "void f() { sleep(1); }"),
        ]:
            with self.subTest(path=path, code=code):
                self.expect_found({path: f"\n{code}\n"}, path, 2, "banned_code")
        self.expect_found({"base/a.cc": "#if 0\nint a;\n#endif\n"}, "base/a.cc", 1, "banned_code")

    def test_words_in_comments_and_strings_are_not_code(self):
        self.expect_clean({"storage/a.cc": '// throw 1\nconst char* a = "throw 1; rand()";\n'})

    def test_long_files_are_found(self):
        text = "int a;\n" * rules.MAX_FILE_LINES
        self.expect_clean({"base/a.cc": text})
        self.expect_found({"base/a.cc": text + "int a;\n"}, "base/a.cc", 1, "length")
        script = "#!/bin/sh\n" + "true\n" * rules.MAX_FILE_LINES
        self.expect_found({"scripts/a": script}, "scripts/a", 1, "length")

    def test_long_functions_are_found(self):
        most = rules.MAX_FUNCTION_LINES
        self.expect_clean({"base/a.cc": function_of(most)})
        self.expect_found({"base/a.cc": "\n" + function_of(most + 1)}, "base/a.cc", 2, "length")
        wide = "// " + "x" * 98 + "\n"
        found = self.run_tidy({"base/a.cc": wide}, ["length"])
        self.assertEqual(found, [("base/a.cc", 1, "length")])
        python = "def f():\n" + "    g()\n" * most
        self.expect_found({"scripts/a.py": python}, "scripts/a.py", 1, "length")

    def test_things_left_for_later_are_found(self):
        for word in ("TO" + "DO", "FIX" + "ME", "GTEST_" + "SKIP", "DIS" + "ABLED_LaterTest"):
            with self.subTest(word=word):
                self.expect_found({"base/a.cc": f"// {word}\n"}, "base/a.cc", 1, "markers")

    def test_paths_of_one_machine_are_found(self):
        self.expect_found({"scripts/a": "cd /home/someone\n"}, "scripts/a", 1, "machine_paths")
        self.expect_clean({"scripts/a": "cd ~/work/a $HOME/work/b example.org/home/\n"})

    def test_file_names_and_guards(self):
        self.expect_found({"base/a.cpp": "int a;\n"}, "base/a.cpp", 1, "names")
        self.expect_found({"base/CamelCase.cc": "int a;\n"}, "base/CamelCase.cc", 1, "names")
        self.expect_found({"base/a.h": "int a;\n"}, "base/a.h", 1, "names")

    def test_whitespace(self):
        self.expect_found({"scripts/a": "one \n"}, "scripts/a", 1, "whitespace")
        self.expect_found({"scripts/a": "one\ntwo"}, "scripts/a", 2, "whitespace")

    def test_documents_name_files_that_exist(self):
        self.expect_found({"README.md": "\n[x](docs/no.md)\n"}, "README.md", 2, "links")
        self.expect_found({"docs/wal.md": "[x](no.md)\n"}, "docs/wal.md", 1, "links")
        self.expect_found({"docs/wal.md": "Run `scripts/no`.\n"}, "docs/wal.md", 1, "links")

    def test_shell_scripts_parse(self):
        self.expect_found({"scripts/a": "#!/bin/sh\nif true\n"}, "scripts/a", 1, "shell_syntax")

    def test_formatting(self):
        self.expect_found({"base/a.cc": "int a;\nint  b;\n"}, "base/a.cc", 2, "formatting")


class Functions(unittest.TestCase):
    def names(self, text):
        with tempfile.TemporaryDirectory() as root:
            with open(os.path.join(root, "a.cc"), "w", encoding="utf-8") as stream:
                stream.write(text)
            return list(source.functions(source.File(root, "a.cc")))

    def test_free_functions_and_tests(self):
        text = "namespace a {\nint f(int b = 3) {\n  if (b) {\n  }\n}\n}\n\nTEST(A, B) {\n  f();\n}"
        self.assertEqual(self.names(text), [(2, "f", 4), (8, "TEST", 3)])

    def test_members_constructors_and_operators(self):
        text = (
            "class X : public Y<int> {\n public:\n  X(int a) : a_{a}, b_(1) {\n    f();\n  }\n"
            "  int get() const { return a_; }\n  X& operator=(const X&) {\n  }\n"
            " private:\n  int a_{0};\n};\n"
        )
        self.assertEqual(self.names(text), [(3, "X", 3), (6, "get", 1), (7, "operator=", 2)])

    def test_tables_are_not_functions(self):
        text = "constexpr int a[] = {\n  1,\n};\nconst auto b = make({\n  1});\nint c() {\n}\n"
        self.assertEqual(self.names(text), [(6, "c", 2)])

    def test_braces_in_literals_comments_and_macros_do_not_count(self):
        text = (
            "#define OPEN \\\n  {\n// {\n"
            "int f() {\n  a('{', \"{\", R\"(}})\");\n  1'000;\n}\nint g() {\n}\n"
        )
        self.assertEqual(self.names(text), [(4, "f", 4), (8, "g", 2)])

    def test_a_struct_as_result_is_not_a_scope(self):
        self.assertEqual(self.names("struct stat f(int a) {\n  g();\n}\n"), [(1, "f", 3)])


if __name__ == "__main__":
    unittest.main()
