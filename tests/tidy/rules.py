"""The rules. Each takes the files of the tree and yields violations; RULES names them."""

import os
import re
import subprocess
import sys
from collections import namedtuple

import source

Violation = namedtuple("Violation", "path line text")

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
MAX_COLUMNS = 100

# The arrows of docs/architecture.md: a file below the key may include headers below (or, with a
# file's name, exactly) the values. The longest key that matches decides.
BELOW_NODE = ["base/", "resp/", "storage/", "replication/", "server/node/"]
ARROWS = {
    "base/": ["base/"],
    "resp/": ["base/", "resp/"],
    "storage/": ["base/", "storage/"],
    "replication/": ["base/", "replication/", "storage/record.h", "storage/types.h"],
    "server/node/": BELOW_NODE,
    "server/shell/": BELOW_NODE + ["server/shell/"],
    "tools/": ["base/", "storage/", "tools/"],
    "tests/support/": ["base/", "storage/", "tests/support/"],
    "tests/unit/base/": ["base/", "tests/unit/base/"],
    "tests/unit/resp/": ["base/", "resp/", "tests/unit/resp/"],
    "tests/unit/storage/": ["base/", "storage/", "tests/support/", "tests/unit/storage/"],
    "tests/unit/replication/": [
        "base/",
        "replication/",
        "storage/",
        "tests/support/",
        "tests/unit/replication/",
    ],
    "tests/unit/node/": BELOW_NODE + ["tests/support/", "tests/unit/node/"],
    "tests/unit/shell/": BELOW_NODE + ["server/shell/", "tests/support/", "tests/unit/shell/"],
    "tests/unit/tools/": ["base/", "storage/", "tools/", "tests/support/", "tests/unit/tools/"],
    "tests/simulation/": BELOW_NODE + ["tests/simulation/", "tests/support/"],
    "tests/integration/": ["base/", "storage/", "tests/integration/", "tests/support/"],
    "tests/chaos/": ["base/", "storage/", "tests/chaos/", "tests/integration/", "tests/support/"],
    "tests/fuzz/": BELOW_NODE + ["server/shell/", "tests/fuzz/", "tests/support/"],
    "tests/benchmarks/": BELOW_NODE + ["server/shell/", "tests/benchmarks/", "tests/support/"],
    "redis-tests/": ["redis-tests/"],
}

# Who may include the headers of a Debian package.
PACKAGES = [
    (r"uv\.h$|uv/", ["server/shell/", "tests/unit/shell/"]),
    (r"spdlog/|fmt/", ["server/shell/", "tests/unit/shell/"]),
    (r"toml\+\+/", ["server/shell/", "tests/unit/shell/"]),
    (r"jemalloc/", ["server/shell/"]),
    (r"isa-l", ["storage/"]),
    (r"xxhash", ["storage/"]),
    (r"hiredis/", ["tests/", "redis-tests/"]),
    (r"(gtest|gmock|benchmark)/", ["tests/"]),
    (r"grpcpp/", ["tests/benchmarks/"]),
    (r"absl/", ["storage/", "replication/", "server/", "tools/", "tests/"]),
]

THREADS = r"thread|mutex|shared_mutex|condition_variable|future|stop_token|pthread\.h"
CLOCKS = r"chrono|ctime|time\.h|sys/time\.h|absl/time/.*"
RANDOM = r"random|sys/random\.h|absl/random/.*"
INPUT_OUTPUT = r"iostream|fstream|filesystem|unistd\.h|fcntl\.h|sys/(socket|stat|uio)\.h|netinet/.*"

# (folder, headers that it may not include, files below it that may, why)
BANNED_HEADERS = [
    ("", r"cassert|assert\.h", [], "CHECK (base/check.h) stays on in release"),
    ("resp/", f"{THREADS}|{CLOCKS}|{RANDOM}|{INPUT_OUTPUT}", [], "resp is bytes in, commands out"),
    (
        "replication/",
        f"{THREADS}|{CLOCKS}|{RANDOM}|{INPUT_OUTPUT}|absl/(synchronization|log)/.*",
        [],
        "the replication core has no thread, clock, random device, log or I/O",
    ),
    (
        "replication/",
        r"unordered_(map|set)|absl/container/(flat|node)_hash_(map|set)\.h",
        [],
        "the order of a hash table is not deterministic",
    ),
    (
        "storage/",
        CLOCKS,
        [r"storage/posix_\w+\.(h|cc)"],
        "storage is told the time; only the posix files know a clock",
    ),
    ("storage/", RANDOM, [], "storage is given its seeds"),
    (
        "server/node/",
        f"{THREADS}|{CLOCKS}|{RANDOM}|{INPUT_OUTPUT}",
        [],
        "the node runs in the simulator: its host has the clock, threads and files",
    ),
]

LIBRARIES = {"base/", "resp/", "storage/", "replication/", "server/node/", "server/shell/"}
PRINTERS = {"base/", "server/shell/"}  # a failed CHECK; --help, and what goes wrong before the log
PRINTING = r"\b(printf|fprintf|puts|fputs|fopen)\s*\(|\bstd::(cout|cerr|clog)\b"
SLEEPING = r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\("

# (folder, expression that its code may not contain, why)
BANNED_CODE = [
    ("", r"\bassert\s*\(", "CHECK (base/check.h) stays on in release"),
    ("", r"(?<![\w.>])(rand|srand|drand48)\s*\(", "the C library's generator"),
    ("", r"^\s*#\s*if\s+0\b", "dead code"),
    *((folder, r"\bthrow\b", "no exceptions of ours") for folder in LIBRARIES),
    *((folder, PRINTING, "a library does not print") for folder in LIBRARIES - PRINTERS),
    ("replication/", r"\brandom_device\b", "random numbers are seeded"),
    ("server/node/", r"\brandom_device\b", "random numbers come from the host"),
    ("tests/unit/", SLEEPING, "wait for a condition"),
    ("tests/simulation/", SLEEPING, "time is virtual"),
]


def below(path, folders):
    return any(path.startswith(folder) for folder in folders)


def cpp(files):
    return [file for file in files if file.is_cpp()]


def layering(files):
    """Includes follow the arrows, quoted ones name a file from the root of the repository."""
    paths = {file.path for file in files}
    ours = tuple(ARROWS) + ("server/", "tests/", "redis-tests/")
    for file in cpp(files):
        folders = [folder for folder in ARROWS if file.path.startswith(folder)]
        if not folders:
            yield Violation(file.path, 1, "is in a folder that has no entry in ARROWS")
            continue
        allowed = ARROWS[max(folders, key=len)]
        for line, header, quoted in source.includes(file):
            if header.startswith(ours):
                if header not in paths:
                    yield Violation(file.path, line, f"{header} does not exist")
                if not quoted:
                    yield Violation(file.path, line, f"our own {header} is included with quotes")
                if not below(header, allowed):
                    yield Violation(file.path, line, f"no arrow leads from here to {header}")
            elif quoted and not header.startswith("absl/"):
                yield Violation(file.path, line, f"{header} is not a path from the root")


def packages(files):
    """A Debian package's headers stay in the folders that may use it."""
    for file in cpp(files):
        for line, header, _ in source.includes(file):
            for pattern, folders in PACKAGES:
                if re.match(pattern, header) and not below(file.path, folders):
                    yield Violation(file.path, line, f"{header} belongs to {', '.join(folders)}")


def banned_headers(files):
    """Clocks, threads, randomness and I/O stay where they belong."""
    for file in cpp(files):
        for line, header, _ in source.includes(file):
            for folder, pattern, exceptions, why in BANNED_HEADERS:
                if any(re.fullmatch(exception, file.path) for exception in exceptions):
                    continue
                if file.path.startswith(folder) and re.fullmatch(pattern, header):
                    yield Violation(file.path, line, f"{header}: {why}")


def banned_code(files):
    for file in cpp(files):
        for folder, pattern, why in BANNED_CODE:
            if file.path.startswith(folder):
                for match in re.finditer(pattern, file.code, re.MULTILINE):
                    line = source.line_of(file.code, match.start())
                    yield Violation(file.path, line, f"{match.group(0).strip()}: {why}")


def length(files):
    """Lines that fit the screen, functions and files that fit into a head."""
    for file in files:
        if not (file.is_cpp() or file.is_python() or file.is_shell()):
            continue
        if len(file.lines) > MAX_FILE_LINES:
            yield Violation(file.path, 1, f"{len(file.lines)} lines, more than {MAX_FILE_LINES}")
        for line, name, lines in source.functions(file):
            if lines > MAX_FUNCTION_LINES:
                text = f"{name} has {lines} lines, more than {MAX_FUNCTION_LINES}"
                yield Violation(file.path, line, text)
        for number, line in enumerate(file.lines, 1):
            if len(line) > MAX_COLUMNS:
                yield Violation(file.path, number, f"{len(line)} columns, more than {MAX_COLUMNS}")


def markers(files):
    """Nothing left for later and no test switched off."""
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK|GTEST_SKIP|DISABLED_\w*)\b")
    for file in files:
        if not file.path.startswith("tests/tidy/") and not file.path.endswith("package-lock.json"):
            for number, line in enumerate(file.lines, 1):
                if match := pattern.search(line):
                    yield Violation(file.path, number, f"{match.group(0)} left in the tree")


def machine_paths(files):
    """Nobody's home directory."""
    pattern = re.compile(r"(?<![\w.~}/)-])/(home|root|Users|work|mnt)/")
    for file in files:
        if not file.path.startswith("tests/tidy/"):
            for number, line in enumerate(file.lines, 1):
                if match := pattern.search(line):
                    yield Violation(file.path, number, f"a path of one machine: {match.group(0)}")


def names(files):
    """snake_case.{h,cc}, and every header is guarded by a pragma."""
    for file in files:
        name = os.path.basename(file.path)
        if re.search(r"\.(cpp|cxx|c|hpp|hxx)$", name):
            yield Violation(file.path, 1, "C++ files end in .h and .cc")
        if file.is_cpp() and not re.fullmatch(r"[a-z][a-z0-9_]*\.(h|cc)", name):
            yield Violation(file.path, 1, "file names are snake_case")
        if name.endswith(".h") and not re.search(r"^#pragma once$", file.text, re.MULTILINE):
            yield Violation(file.path, 1, "no #pragma once")


def whitespace(files):
    for file in files:
        # A patch has a blank for every empty line around a change.
        if file.path.endswith(("package-lock.json", ".svg", ".patch")) or not file.text:
            continue
        if not file.text.endswith("\n"):
            yield Violation(file.path, len(file.lines), "no newline at the end")
        for number, line in enumerate(file.text.split("\n"), 1):
            if line != line.rstrip() and not file.path.endswith(".md"):
                yield Violation(file.path, number, "blanks at the end of the line")
            if "\t" in line and file.is_cpp():
                yield Violation(file.path, number, "a tab")


def links(files):
    """Files that the documents name exist."""
    in_markdown = r"\]\(([^)#\s]+)(?:#[^)]*)?\)"
    in_backquotes = r"`((?:docs|scripts|redis-tests|tests)/[\w./-]+)`"
    link = re.compile(f"{in_markdown}|{in_backquotes}")
    paths = {file.path for file in files}
    folders = {os.path.dirname(path) for path in paths}
    folders |= {os.path.dirname(folder) for folder in folders}
    for file in files:
        if not file.path.endswith(".md"):
            continue
        for number, line in enumerate(file.lines, 1):
            for match in link.finditer(line):
                target, from_root = match.groups()
                if target and re.match(r"\w+:", target):
                    continue
                here = "" if from_root else os.path.dirname(file.path)
                wanted = os.path.normpath(os.path.join(here, from_root or target))
                if wanted not in paths and wanted not in folders:
                    yield Violation(file.path, number, f"{wanted} does not exist")


def shell_syntax(files):
    for file in files:
        if file.is_shell():
            shell = "bash" if "bash" in file.lines[0] else "sh"
            run = subprocess.run([shell, "-n"], input=file.text, capture_output=True, text=True)
            if run.returncode != 0:
                yield Violation(file.path, 1, run.stderr.strip())


def formatting(files):
    """What clang-format would write: the first difference of each file."""
    paths = [file.path for file in cpp(files)]
    if not paths:
        return
    command = ["clang-format", "--dry-run", "--style=file", *paths]
    run = subprocess.run(command, capture_output=True, text=True)
    warning = r"^(.+?):(\d+):\d+: warning: .*\[-Wclang-format-violations\]$"
    found = re.findall(warning, run.stderr, re.MULTILINE)
    if run.returncode != 0 or (run.stderr and not found):
        sys.exit(f"clang-format failed: {run.stderr.strip()}")
    first_lines = {path: int(line) for path, line in reversed(found)}
    for path, line in sorted(first_lines.items()):
        yield Violation(path, line, "clang-format would write it differently")


RULES = {
    rule.__name__: rule
    for rule in (
        layering,
        packages,
        banned_headers,
        banned_code,
        length,
        markers,
        machine_paths,
        names,
        whitespace,
        links,
        shell_syntax,
        formatting,
    )
}
