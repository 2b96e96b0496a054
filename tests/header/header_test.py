#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compiles every header of lib/ alone, as the first include of an empty file.

    header_test.py ROOT          checks the tree at ROOT
    header_test.py --self-test   shows on small temporary trees that every check can fail

Each in C, with -Wall -Wextra -Werror, seeing only its own library and the declared deps. What gets
installed (the headers of lib/client, and what they include) in C++ too, where a function that has
no C linkage behind the header of lib/client is an error as well: a program in C++ would not link.
CC and CXX name the compilers. Exits 77 (skipped) when only the C++ one is missing.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "layer"))
sys.dont_write_bytecode = True
import layer_test as layer  # noqa: E402

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
C_FLAGS = ["-x", "c", "-std=gnu17", "-D_GNU_SOURCE", "-Wstrict-prototypes", *WARNINGS]
CXX_FLAGS = ["-x", "c++", "-std=c++17", *WARNINGS]
INSTALLED_LIB = "client"
SKIPPED = 77


def package_flags(package):
    """Compiler flags of a package; its headers count as the system's, so they may warn."""
    done = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True,
                          check=True)
    return [re.sub("^-I", "-isystem", flag) for flag in shlex.split(done.stdout)]


def flags_of(root, libs, lib, dpdk):
    names = [lib.name, *sorted(layer.transitive(libs, lib.name))]
    dirs = [f"-I{root / 'lib' / name}" for name in names]
    knows_dpdk = lib.floor >= layer.PURE_FLOORS and lib.name not in layer.NO_DPDK_LIBS
    return dirs + (dpdk if knows_dpdk else [])


def compile_text(command, text):
    return subprocess.run([*command, "-"], input=text, capture_output=True, text=True).stderr


def compile_header(command, header):
    """Twice, so that a header without a guard is found. @return what the compiler said."""
    return compile_text(command, f'#include "{header}"\n' * 2 + "typedef int nothing_else;\n")


def closure(root, names):
    """Header name to library: these headers, and all of lib/ that they include."""
    owner = {path.name: path.parent.name for path in (root / "lib").glob("*/mr_*.h")}
    found, todo = {}, sorted(names)
    while todo:
        name = todo.pop()
        if name in found or name not in owner:
            continue
        found[name] = owner[name]
        text = (root / "lib" / owner[name] / name).read_text()
        todo += [match.group(2) for match in layer.INCLUDE.finditer(text)]
    return found


def prototypes(source):
    """Names of the functions that a header only declares, inline ones left out."""
    code = layer.DIRECTIVE.sub(layer.blank, layer.OPAQUE.sub(layer.blank, source))
    code = re.sub(r"\{[^{}]*\}", "", re.sub(r'extern\s*" *"\s*\{', "", code))
    for statement in code.split(";"):
        match = re.search(r"^\s*(?:const |struct |enum |unsigned )*\w+[\s*]+\**(mr_\w+)\s*\(",
                          statement)
        if match and not re.search(r"\b(static|typedef|inline)\b", statement):
            yield match.group(1)


def check_linkage(command, root, header):
    """Declares each function once more as C: C++ refuses that when it was not C before."""
    names = [name for file, lib in sorted(closure(root, [header]).items())
             for name in prototypes((root / "lib" / lib / file).read_text())]
    again = "".join(f'extern "C" decltype({name}) {name};\n' for name in names)
    return compile_text(command, f'#include "{header}"\n{again}')


def jobs_of(root, libs, cc, cxx):
    """What is checked, the function that does it, and its arguments."""
    dpdk = package_flags("libdpdk")
    for path in sorted((root / "lib").glob("*/mr_*.h")):
        lib = libs[path.parent.name]
        command = [*cc, *C_FLAGS, *flags_of(root, libs, lib, dpdk)]
        yield f"C {path.relative_to(root)}", compile_header, (command, path.name)
    public = libs[INSTALLED_LIB].headers
    for name, owner in sorted(closure(root, public).items()) if cxx else ():
        command = [*cxx, *CXX_FLAGS, *flags_of(root, libs, libs[owner], [])]
        yield f"C++ lib/{owner}/{name}", compile_header, (command, name)
        if name in public:
            yield f"C linkage behind {name}", check_linkage, (command, root, name)


def check_tree(root, cc, cxx):
    """@return number of checks, and (what, compiler's words) of those that failed."""
    jobs = list(jobs_of(root, layer.read_libs(root), cc, cxx))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(lambda job: job[1](*job[2]), jobs))
    return len(jobs), [(job[0], text) for job, text in zip(jobs, said) if text]


GOOD_TREE = {
    "lib/meson.build": "floors = [\n    ['base'],\n    ['row'],\n    ['client', 'env'],\n]\n",
    "lib/base/meson.build": "headers = files('mr_base.h')\n",
    "lib/base/mr_base.h": "#pragma once\n#include <stdint.h>\nint mr_base_go(void);\n"
                          "static inline uint32_t mr_base_one(void)\n{\n\treturn 1;\n}\n",
    "lib/row/meson.build": "headers = files('mr_row.h')\n",
    "lib/row/mr_row.h": "#pragma once\nstruct mr_row {\n\tint x;\n};\n",
    "lib/client/meson.build": "headers = files('mr_client.h')\ndeps = ['base']\n",
    "lib/client/mr_client.h": "#pragma once\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n"
                              "#include \"mr_base.h\"\nstruct mr_client *mr_client_new(int n);\n"
                              "#ifdef __cplusplus\n}\n#endif\n",
    "lib/env/meson.build": "headers = files('mr_env.h')\n",
    "lib/env/mr_env.h": "#pragma once\n#include <rte_common.h>\n",
}

# What is written over the good tree, and the checks that then fail.
BREACHES = [
    ("nothing", {}, set()),
    ("unknown type", {"lib/row/mr_row.h": "#pragma once\nextern uint32_t mr_x;\n"},
     {"C lib/row/mr_row.h"}),
    ("no guard", {"lib/row/mr_row.h": "struct mr_row {\n\tint x;\n};\n"}, {"C lib/row/mr_row.h"}),
    ("a warning", {"lib/row/mr_row.h": "#pragma once\nstatic inline int mr_f(int x)\n{ }\n"},
     {"C lib/row/mr_row.h"}),
    ("dep not declared", {"lib/row/mr_row.h": "#pragma once\n#include \"mr_base.h\"\n"},
     {"C lib/row/mr_row.h"}),
    ("rte on a pure floor", {"lib/row/mr_row.h": "#pragma once\n#include <rte_common.h>\n"},
     {"C lib/row/mr_row.h"}),
    ("word of C++", {"lib/base/mr_base.h": "#pragma once\nint mr_base_go(int class);\n"},
     {"C++ lib/base/mr_base.h", "C++ lib/client/mr_client.h", "C linkage behind mr_client.h"}),
    ("no C linkage", {"lib/client/mr_client.h": "#pragma once\n#include \"mr_base.h\"\n"},
     {"C linkage behind mr_client.h"}),
]


def self_test(cc, cxx):
    wrong = 0
    for name, extra, want in BREACHES:
        with tempfile.TemporaryDirectory() as folder:
            layer.write_tree(Path(folder), {**GOOD_TREE, **extra})
            got = {what for what, _ in check_tree(Path(folder), cc, cxx)[1]}
        if not cxx:
            want = {what for what in want if what.startswith("C lib/")}
        if got != want:
            wrong += 1
            print(f"self-test '{name}': failed {sorted(got)}, want {sorted(want)}")
    print(f"{len(BREACHES)} trees, {wrong} wrong")
    return 1 if wrong else 0


def main(args):
    if len(args) != 1:
        sys.exit(__doc__)
    cc = shlex.split(os.environ.get("CC", "cc"))
    cxx = shlex.split(os.environ.get("CXX", "c++"))
    if shutil.which(cxx[0]) is None:
        print(f"no C++ compiler ({cxx[0]}): installed headers not compiled as C++")
        cxx = []
    if args == ["--self-test"]:
        return self_test(cc, cxx)
    count, failed = check_tree(Path(args[0]), cc, cxx)
    for what, text in failed:
        print(f"{what}:\n{text}")
    print(f"{count} checks, {len(failed)} failed")
    if failed:
        return 1
    return 0 if cxx else SKIPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
