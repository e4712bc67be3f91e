#!/usr/bin/env python3
"""Checks the tree against the rules of rules.py.

tidy.py [--root FOLDER] [RULE...]   exit status 1 and one line per violation if there is any
tidy.py --list                      the names of the rules
"""

import argparse
import os
import sys

sys.dont_write_bytecode = True
import rules
import source


def main():
    parser = argparse.ArgumentParser(description="Checks the tree against the rules of rules.py.")
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), "..", ".."))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("rules", nargs="*", metavar="RULE")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(rules.RULES))
        return 0
    unknown = set(arguments.rules) - set(rules.RULES)
    if unknown:
        parser.error(f"no such rule: {', '.join(sorted(unknown))}")
    os.chdir(arguments.root)  # clang-format looks for its style there
    files = source.read_tree(".")
    violations = 0
    for name in arguments.rules or rules.RULES:
        for violation in rules.RULES[name](files):
            print(f"{violation.path}:{violation.line}: {name}: {violation.text}")
            violations += 1
    print(f"{len(files)} files, {violations} violations")
    return 1 if violations or not files else 0


if __name__ == "__main__":
    sys.exit(main())
