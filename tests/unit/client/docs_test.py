#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Holds docs/client.md and docs/cli.md to the truth.

    docs_test.py client.md LIBRARY HEADER...   compiles and links the programs in it, in C and C++,
                                               seeing nothing but the installed headers
    docs_test.py cli.md TOOL                   compares the help texts in it with what TOOL prints
    docs_test.py --write cli.md TOOL           writes them anew

CC, CXX and SANITIZE (compiler options) come from the environment.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"^```(c|cpp)\n(.*?)^```$", re.M | re.S)
HELP = re.compile(r"(<!-- help: (.*?) -->\n```text\n)(.*?)(^```$)", re.M | re.S)
WARNINGS = ["-Wall", "-Wextra", "-Werror"]


def check_programs(doc, library, headers):
    compilers = {
        "c": [*shlex.split(os.environ.get("CC", "cc")), "-std=gnu11", "-x", "c"],
        "cpp": [*shlex.split(os.environ.get("CXX", "c++")), "-std=c++17", "-x", "c++"],
    }
    sanitize = shlex.split(os.environ.get("SANITIZE", ""))
    programs = BLOCK.findall(doc.read_text())
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        include = Path(folder) / "millrace"
        include.mkdir()
        for header in headers:
            shutil.copy(header, include)
        for number, (language, text) in enumerate(programs, 1):
            command = compilers[language]
            if shutil.which(command[0]) is None:
                print(f"program {number}: no {command[0]}, not compiled")
                continue
            done = subprocess.run(
                [*command, *WARNINGS, *sanitize, f"-I{include}", "-", "-x", "none", library,
                 "-lm", "-o", str(Path(folder) / "program")],
                input=text, capture_output=True, text=True)
            if done.returncode:
                failed += 1
                print(f"program {number}:\n{done.stderr}")
    print(f"{len(programs)} programs, {failed} failed")
    return 1 if failed or len(programs) < 4 else 0


def help_of(tool, command):
    args = shlex.split(command)[1:]
    return subprocess.run([tool, *args], capture_output=True, text=True).stdout


def commands_of(tool):
    """Names in the overview."""
    return re.findall(r"^  (\w+) ", help_of(tool, "millrace --help"), re.M)


def check_help(doc, tool, write):
    text = doc.read_text()
    if write:
        doc.write_text(HELP.sub(lambda m: m[1] + help_of(tool, m[2]) + m[4], text))
        return 0
    failed = 0
    shown = {}
    for _, command, block, _ in HELP.findall(text):
        shown[command] = block
        if block != help_of(tool, command):
            failed += 1
            print(f"{doc.name}: `{command}` prints something else")
    for name in commands_of(tool):
        if f"millrace {name} --help" not in shown:
            failed += 1
            print(f"{doc.name}: `millrace {name} --help` is not shown")
        if not re.search(rf"^\| `{name}`", text, re.M):
            failed += 1
            print(f"{doc.name}: {name} is not in the table of commands")
    print(f"{len(shown)} help texts, {failed} problems")
    return 1 if failed else 0


def main(args):
    write = args[:1] == ["--write"]
    args = args[write:]
    if len(args) < 2:
        sys.exit(__doc__)
    doc = Path(args[0])
    if doc.name == "cli.md":
        return check_help(doc, args[1], write)
    return check_programs(doc, args[1], args[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
