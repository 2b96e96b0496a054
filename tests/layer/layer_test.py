#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Holds lib/ and app/ against the rules of the house: floors, sizes, forbidden words.

    layer_test.py ROOT          checks the tree at ROOT; prints FILE:LINE: RULE: what, exits 1
    layer_test.py --self-test   shows on small temporary trees that every rule can fail

The floors come from lib/meson.build, dependencies and public headers from lib/*/meson.build.
"""

import re
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 100

# "lib/x/mr_x.c:function", each with a reason beside it. A new entry needs a good one.
LONG_FUNCTIONS_ALLOWED = frozenset()

# Floors whose code uses no DPDK, no clock and no heap, and the one library above that uses no DPDK.
PURE_FLOORS = 2
NO_DPDK_LIBS = frozenset({"client"})

Problem = namedtuple("Problem", "file line rule text")
Lib = namedtuple("Lib", "name floor deps headers")
Source = namedtuple("Source", "path folder raw code")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
ASM_VOLATILE = re.compile(r"\b(?:__asm__|__asm|asm)\s+(?:__volatile__|volatile)\b")

# In code: comments and the insides of strings do not count.
FORBIDDEN_CODE = (
    (r"\b(?:__volatile__|volatile)\b", "volatile outside asm: use C11 atomics"),
    (r"\b__sync_\w+", "__sync_ builtin: use C11 atomics"),
    (r"\brte_smp_\w+", "rte_smp_ barrier: use C11 atomics"),
    (r"\bv?sprintf\s*\(", "sprintf: use snprintf"),
    (r"\bstrcpy\s*\(", "strcpy: copy with a length"),
    (r"\bstrtok\s*\(", "strtok: keeps hidden state"),
    (r"\b(?:v?printf|puts|putchar)\s*\(|\bstdout\b", "a library writes nothing to stdout"),
)
# In the text as it stands, comments too.
FORBIDDEN_TEXT = (
    (r"\bTODO\b", "TODO: do it, or write an issue"),
    (r"\bFIXME\b", "FIXME: fix it, or write an issue"),
    (r"(?m)^[ \t]*#[ \t]*if[ \t]+0\b", "#if 0: delete dead code"),
)
IMPURE = re.compile(
    r"\b(?:malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|strdup|strndup|asprintf"
    r"|vasprintf|free|mmap|clock_gettime|gettimeofday|time|nanosleep|__rdtsc|__builtin_ia32_rdtsc)"
    r"\s*\("
)

# A comment, a string or a character: what has to be blanked before code is looked at.
OPAQUE = re.compile(
    r"//(?:\\\n|[^\n])*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)


def blank(match):
    """The same number of lines and columns, with nothing in them."""
    text = match.group(0)
    quote = text[0] if text[0] in "\"'" else ""
    inside = text[1:-1] if quote else text
    return quote + re.sub(r"[^\n]", " ", inside) + quote


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def read_list(text, name):
    """Strings of every NAME = [...], NAME = files(...) and NAME += ... in a meson.build."""
    pattern = rf"^{name}\s*\+?=\s*(?:files\(|\[)(.*?)[\])]"
    blocks = re.findall(pattern, re.sub(r"#.*", "", text), re.M | re.S)
    return [word for block in blocks for word in re.findall(r"'([^']+)'", block)]


def read_floors(root):
    text = re.sub(r"#.*", "", (root / "lib/meson.build").read_text())
    table = re.search(r"^floors\s*=\s*\[(.*?)^\]", text, re.M | re.S)
    if table is None:
        sys.exit("lib/meson.build: no table `floors = [...]`: this test has to learn where it went")
    return [re.findall(r"'([^']+)'", row) for row in re.findall(r"\[(.*?)\]", table.group(1), re.S)]


def read_libs(root):
    libs = {}
    for floor, names in enumerate(read_floors(root)):
        for name in names:
            build = root / "lib" / name / "meson.build"
            text = build.read_text() if build.exists() else ""
            libs[name] = Lib(name, floor, read_list(text, "deps"), set(read_list(text, "headers")))
    return libs


def read_sources(root):
    sources = []
    for path in sorted(p for top in ("lib", "app") for p in (root / top).rglob("*")
                       if p.suffix in (".c", ".h", ".cc")):
        relative = path.relative_to(root)
        raw = path.read_text()
        folder = "/".join(relative.parts[:2]) if len(relative.parts) > 2 else relative.parts[0]
        sources.append(Source(str(relative), folder, raw, OPAQUE.sub(blank, raw)))
    return sources


def transitive(libs, name):
    seen, todo = set(), [name]
    while todo:
        for dep in libs[todo.pop()].deps:
            if dep in libs and dep not in seen:
                seen.add(dep)
                todo.append(dep)
    return seen


def check_deps(libs):
    for lib in libs.values():
        for dep in lib.deps:
            if dep not in libs or libs[dep].floor >= lib.floor:
                yield Problem(f"lib/{lib.name}/meson.build", 1, "deps",
                              f"'{dep}' is not on a floor below {lib.floor}")


def check_folders(root, libs):
    for folder in sorted(p for p in (root / "lib").iterdir() if p.is_dir()):
        if folder.name not in libs:
            yield Problem(f"lib/{folder.name}", 1, "floor", "stands on no floor of lib/meson.build")


def includes_of(source):
    """Line, kind and name of each include; comments are gone, but names in quotes have to stay."""
    without_comments = OPAQUE.sub(
        lambda m: m.group(0) if m.group(0)[0] in "\"'" else blank(m), source.raw)
    for match in INCLUDE.finditer(without_comments):
        yield line_of(without_comments, match.start()), match.group(1), match.group(2)


def lib_of(folder, libs):
    top, _, name = folder.partition("/")
    return libs.get(name) if top == "lib" else None


def check_rte(source, lib, line, name):
    pure = lib is not None and (lib.floor < PURE_FLOORS or lib.name in NO_DPDK_LIBS)
    if pure and name.startswith("rte_"):
        yield Problem(source.path, line, "rte", f"<{name}> in a library that knows no DPDK")


def check_target(source, lib, line, name, owner, libs):
    """An include of another folder's header: the floor, the declared deps, the public list."""
    target = lib_of(owner, libs)
    if target is None:
        yield Problem(source.path, line, "floor", f"{name} belongs to {owner}, another program")
        return
    if lib is not None and target.floor >= lib.floor:
        way = "sideways" if target.floor == lib.floor else "upward"
        yield Problem(source.path, line, "floor",
                      f"{name} of lib/{target.name} (floor {target.floor}) is {way}"
                      f" from floor {lib.floor}")
    elif lib is not None and target.name not in transitive(libs, lib.name):
        yield Problem(source.path, line, "undeclared",
                      f"{name}: '{target.name}' is not among the deps of lib/{lib.name}")
    if name not in target.headers:
        yield Problem(source.path, line, "private",
                      f"{name} is not in the headers of lib/{target.name}/meson.build")


def check_includes(sources, libs, edges):
    owners = {}
    for source in sources:
        name = Path(source.path).name
        if name.endswith(".h"):
            owners.setdefault(name, set()).add(source.folder)
    for name, folders in sorted(owners.items()):
        # Folders of app/ are never on one another's include path.
        if len(folders) > 1 and any(f.startswith("lib/") for f in folders):
            yield Problem(sorted(folders)[0] + "/" + name, 1, "twice",
                          "the same header name in " + " and ".join(sorted(folders)))
    for source in sources:
        lib = lib_of(source.folder, libs)
        for line, kind, name in includes_of(source):
            yield from check_rte(source, lib, line, name)
            if kind == '"' and "/" in name:
                yield Problem(source.path, line, "path", f'"{name}" goes round the include path')
            if "/" in name or not name.startswith("mr_"):
                continue
            folders = owners.get(name, set())
            if source.folder in folders:
                continue
            if not folders:
                yield Problem(source.path, line, "missing", f"{name} is nowhere in lib/ and app/")
            for owner in sorted(folders):
                edges.setdefault(source.folder, {}).setdefault(owner, (source.path, line))
                yield from check_target(source, lib, line, name, owner, libs)


def check_cycles(edges):
    """Depth first over folders; each way back to a folder that is still open is a cycle."""
    done, path = set(), []

    def visit(folder):
        if folder in path:
            ring = path[path.index(folder):] + [folder]
            where = edges[path[-1]][folder]
            yield Problem(where[0], where[1], "cycle", " -> ".join(ring))
            return
        if folder in done:
            return
        path.append(folder)
        for target in sorted(edges.get(folder, {})):
            yield from visit(target)
        path.pop()
        done.add(folder)

    for folder in sorted(edges):
        yield from visit(folder)


def functions(code):
    """Name, first and last line of each function in code without comments and directives."""
    depth, start, found = 0, 0, None
    for match in re.finditer(r"[{};]", code):
        at, sign = match.start(), match.group(0)
        if sign == "{":
            head = code[start:at]
            if depth == 0 and re.search(r'\bextern\s*"[^"]*"\s*$', head):
                start = at + 1
                continue
            call = re.search(r"\b(\w+)\s*\((?!\s*\()", re.sub(r"__attribute__\s*\(\(.*?\)\)", "",
                                                             head, flags=re.S))
            if depth == 0 and call is not None and "=" not in head.split("(")[0]:
                first = start + len(head) - len(head.lstrip())
                found = (call.group(1), line_of(code, first))
            depth += 1
        elif sign == "}":
            depth = max(depth - 1, 0)  # the end of an extern "C" stands at depth 0
            if depth == 0:
                if found is not None:
                    yield found[0], found[1], line_of(code, at)
                found, start = None, at + 1
        elif depth == 0:
            start = at + 1


def check_sizes(sources):
    for source in sources:
        lines = source.raw.count("\n")
        if lines > FILE_LINES_MAX:
            yield Problem(source.path, lines, "file-size",
                          f"{lines} lines, at most {FILE_LINES_MAX}")
        code = DIRECTIVE.sub(blank, source.code)
        for name, first, last in functions(code):
            size = last - first + 1
            if size > FUNCTION_LINES_MAX and f"{source.path}:{name}" not in LONG_FUNCTIONS_ALLOWED:
                yield Problem(source.path, first, "function-size",
                              f"{name}() has {size} lines, at most {FUNCTION_LINES_MAX}")


def check_words(sources, libs):
    for source in sources:
        lib = lib_of(source.folder, libs)
        if lib is None:
            continue
        code = ASM_VOLATILE.sub(blank, source.code)
        for text, table in ((code, FORBIDDEN_CODE), (source.raw, FORBIDDEN_TEXT)):
            for pattern, why in table:
                for match in re.finditer(pattern, text):
                    yield Problem(source.path, line_of(text, match.start()), "word", why)
        if lib.floor >= PURE_FLOORS:
            continue
        for match in IMPURE.finditer(DIRECTIVE.sub(blank, code)):
            yield Problem(source.path, line_of(code, match.start()), "pure",
                          f"{match.group(0)}): floors 0 and 1 use no clock and no heap")


def check_tree(root):
    libs = read_libs(root)
    sources = read_sources(root)
    edges = {}
    problems = list(check_folders(root, libs))
    problems += check_deps(libs)
    problems += check_includes(sources, libs, edges)
    problems += check_cycles(edges)
    problems += check_sizes(sources)
    problems += check_words(sources, libs)
    return problems, len(sources)


# A small tree that keeps all rules, with things beside them that only look like a breach.
GOOD_TREE = {
    "lib/meson.build": "floors = [\n    ['base'],  # 0\n    ['row', 'wire'],\n"
                       "    ['client', 'env'],\n    ['net'],\n]\n",
    "lib/base/meson.build": "headers = files('mr_base.h')\n",
    "lib/base/mr_base.h": "// volatile; printf(stdout); rte_smp_mb()\n#pragma once\n"
                          "#define mr_printf(f, a) __attribute__((format(printf, f, a)))\n",
    "lib/row/meson.build": "headers = files('mr_row.h')\ndeps = ['base']\next_deps = [x]\n",
    "lib/row/mr_row.h": "#include \"mr_base.h\"\n",
    "lib/row/mr_row_impl.h": "#include \"mr_row.h\"\n",
    "lib/row/mr_row.c": "#include \"mr_row_impl.h\"\n// #include \"mr_net.h\"\n"
                        "static const char s[] = \"malloc(\";\n"
                        "void f(void)\n{\n\t__asm__ volatile(\"\");\n\tsnprintf(0, 0, s);\n}\n",
    "lib/wire/meson.build": "headers = files('mr_wire.h')\ndeps = ['base']\n",
    "lib/wire/mr_wire.h": "#pragma once\n",
    "lib/client/meson.build": "headers = files('mr_client.h')\ndeps = ['wire']\n",
    "lib/client/mr_client.h": "#ifdef __cplusplus\nextern \"C\" {\n#endif\nint mr_go(void);\n"
                              "#ifdef __cplusplus\n}\n#endif\n",
    "lib/env/meson.build": "headers = files('mr_env.h')\ndeps = ['row']\n",
    "lib/env/mr_env.h": "#include \"mr_base.h\"\n#include <rte_ring.h>\n",
    "lib/net/meson.build": "headers = files('mr_net.h')\ndeps = ['env']\n",
    "lib/net/mr_net.h": "#include \"mr_row.h\"\n#include \"mr_base.h\"\n",
    "app/tool/main.c": "#include \"mr_net.h\"\nint main(void)\n{\n\tprintf(\"x\");\n}\n",
    "app/tool/mr_tool.h": "#pragma once\n",
    "app/other/main.c": "#include \"mr_env.h\"\n",
}
LONG_BODY = "\tx++;\n" * 98

# What is written over or behind the good tree, and all the rules that then fail.
BREACHES = [
    ("upward", {"lib/row/mr_row.c": "#include \"mr_client.h\"\n"}, {"floor"}),
    ("upward, spaces", {"lib/row/mr_row.c": "\t#  include  \"mr_client.h\"\n"}, {"floor"}),
    ("upward, C++", {"lib/row/mr_row.cc": "#include \"mr_client.h\"\n"}, {"floor"}),
    ("upward, angle", {"lib/row/mr_row.c": "#include <mr_client.h>\n"}, {"floor"}),
    ("sideways", {"lib/row/mr_row.c": "#include \"mr_wire.h\"\n"}, {"floor"}),
    ("other program", {"app/other/main.c": "#include \"mr_tool.h\"\n"}, {"floor"}),
    ("no floor", {"lib/new/mr_new.c": "int x;\n"}, {"floor"}),
    ("dep upward", {"lib/row/meson.build": "deps = ['base', 'net']\nheaders = files('mr_row.h')\n"},
     {"deps"}),
    ("dep sideways", {"lib/env/meson.build": "headers = files('mr_env.h')\n"
                                             "deps = ['row', 'client']\n"}, {"deps"}),
    ("dep unknown", {"lib/wire/meson.build": "headers = files('mr_wire.h')\ndeps = ['x']\n"},
     {"deps"}),
    ("undeclared", {"lib/net/mr_net.c": "#include \"mr_wire.h\"\n"}, {"undeclared"}),
    ("private", {"lib/net/mr_net.c": "#include \"mr_row_impl.h\"\n"}, {"private"}),
    ("private to app", {"app/tool/main.c": "#include \"mr_row_impl.h\"\n"}, {"private"}),
    ("round about", {"lib/net/mr_net.c": "#include \"../row/mr_row.h\"\n"}, {"path"}),
    ("nowhere", {"lib/net/mr_net.c": "#include \"mr_gone.h\"\n"}, {"missing"}),
    ("same name", {"lib/net/mr_row.h": "#pragma once\n"}, {"twice"}),
    ("cycle", {"lib/row/mr_row.c": "#include \"mr_net.h\"\n",
               "lib/net/mr_net.c": "#include \"mr_row.h\"\n"}, {"floor", "cycle"}),
    ("cycle of three", {"lib/base/mr_base.h": "#include \"mr_net.h\"\n"}, {"floor", "cycle"}),
    ("rte on floor 0", {"lib/base/mr_base.h": "#include <rte_common.h>\n"}, {"rte"}),
    ("rte on floor 1", {"lib/wire/mr_wire.h": "#include <rte_ether.h>\n"}, {"rte"}),
    ("rte in client", {"lib/client/mr_client.h": "#include \"rte_ether.h\"\n"}, {"rte"}),
    ("long file", {"lib/net/mr_net.c": "int x;\n" * 801}, {"file-size"}),
    ("long file in app", {"app/tool/main.c": "int x;\n" * 801}, {"file-size"}),
    ("long function", {"lib/net/mr_net.c": "int f(\n\tint x)\n{\n" + LONG_BODY + "}\n"},
     {"function-size"}),
    ("long, in braces", {"lib/client/mr_client.c": "extern \"C\" {\nstatic int f(void)\n{\n{\n"
                         + LONG_BODY + "}\n}\n}\n"}, {"function-size"}),
    ("long, attribute", {"app/tool/main.c": "__attribute__((target(\"avx2\"))) int f(void)\n{\n"
                         + LONG_BODY + "\n}\n"}, {"function-size"}),
    ("volatile", {"lib/net/mr_net.c": "volatile int x;\n"}, {"word"}),
    ("__sync_", {"lib/net/mr_net.c": "int f(int *x) { return __sync_fetch_and_add(x, 1); }\n"},
     {"word"}),
    ("rte_smp_", {"lib/net/mr_net.c": "void f(void) { rte_smp_mb(); }\n"}, {"word"}),
    ("sprintf", {"lib/net/mr_net.c": "void f(char *s) { sprintf(s, \"\"); }\n"}, {"word"}),
    ("strcpy", {"lib/net/mr_net.c": "void f(char *s) { strcpy (s, \"\"); }\n"}, {"word"}),
    ("strtok", {"lib/net/mr_net.c": "void f(char *s) { strtok(s, \"\"); }\n"}, {"word"}),
    ("printf", {"lib/net/mr_net.c": "void f(void) { printf(\"\"); }\n"}, {"word"}),
    ("stdout", {"lib/net/mr_net.c": "void f(void) { fputs(\"\", stdout); }\n"}, {"word"}),
    ("to do", {"lib/net/mr_net.c": "// TO" + "DO: later\n"}, {"word"}),
    ("to fix", {"lib/net/mr_net.c": "/* FIX" + "ME */\n"}, {"word"}),
    ("dead code", {"lib/net/mr_net.c": "# if 0\nint x;\n#endif\n"}, {"word"}),
    ("heap on floor 1", {"lib/wire/mr_wire.c": "void *f(void) { return malloc(1); }\n"}, {"pure"}),
    ("clock on floor 0", {"lib/base/mr_base.c": "void f(void) { clock_gettime(0, 0); }\n"},
     {"pure"}),
]

# What is allowed, close to what is not.
NEAR_MISSES = {
    "longest function": {"lib/net/mr_net.c": "int f(int x)\n{\n" + LONG_BODY[6:] + "}\n"},
    "longest file": {"lib/net/mr_net.c": "int x;\n" * 800},
    "long table": {"lib/net/mr_net.c": "const int t[] = {\n" + "\tF(1),\n" * 200 + "};\n"},
    "long macro": {"lib/net/mr_net.h": "#define F() { \\\n" + "\tx(); \\\n" * 200 + "\ty()\n"},
    "heap on floor 2": {"lib/env/mr_env.c": "void *f(void) { return malloc(1); }\n"},
    "same name in apps": {"app/other/mr_tool.h": "", "app/other/main.c": '#include "mr_tool.h"\n'},
}


def write_tree(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def rules_broken(extra):
    with tempfile.TemporaryDirectory() as folder:
        write_tree(Path(folder), {**GOOD_TREE, **extra})
        return {problem.rule for problem in check_tree(Path(folder))[0]}


def self_test():
    cases = [("good tree", {}, set())]
    cases += [(name, extra, set()) for name, extra in NEAR_MISSES.items()]
    cases += BREACHES
    wrong = 0
    for name, extra, want in cases:
        got = rules_broken(extra)
        if got != want:
            wrong += 1
            print(f"self-test '{name}': rules {sorted(got)}, want {sorted(want)}")
    print(f"{len(cases)} trees, {wrong} wrong")
    return 1 if wrong else 0


def main(args):
    if args == ["--self-test"]:
        return self_test()
    if len(args) != 1:
        sys.exit(__doc__)
    problems, count = check_tree(Path(args[0]))
    for problem in problems:
        print(f"{problem.file}:{problem.line}: {problem.rule}: {problem.text}")
    print(f"{count} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
