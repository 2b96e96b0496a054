#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The page of scripts/report.py: well-formed, complete, and in need of nothing but itself.

usage: report_test.py ROOT
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET

ROOT = ""
LINES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lines.jsonl")


def draw(lines, machine="a machine with 2 <CPUs> & more"):
    """@return exit status, page, complaints"""
    with tempfile.TemporaryDirectory() as where:
        paths = {name: os.path.join(where, name) for name in ("lines.jsonl", "machine.txt", "index.html")}
        for name, what in (("lines.jsonl", lines), ("machine.txt", machine)):
            with open(paths[name], "w", encoding="utf-8") as f:
                f.write(what)
        run = subprocess.run(
            [sys.executable, os.path.join(ROOT, "scripts", "report.py"), "--when", "on a Friday", "--machine",
             paths["machine.txt"], paths["lines.jsonl"], paths["index.html"]], capture_output=True, text=True)
        if run.returncode != 0:
            return run.returncode, "", run.stderr
        with open(paths["index.html"], encoding="utf-8") as f:
            return 0, f.read(), run.stderr


def parse(page):
    return ET.fromstring(page.replace("<!DOCTYPE html>", "", 1))


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(LINES, encoding="utf-8") as f:
            cls.lines = f.read()
        status, cls.page, complaints = draw(cls.lines)
        assert status == 0, complaints
        cls.tree = parse(cls.page)

    def test_all_cases_appear(self):
        rows = {tuple(cell.text or "" for cell in row)[:3] for row in self.tree.iter("tr")}
        for line in self.lines.splitlines():
            bench, case, metric = (re.search('"%s":"([^"]*)"' % key, line).group(1) for key in ("bench", "case", "metric"))
            self.assertIn((bench, case, metric), rows)

    def test_says_where_and_when(self):
        text = "".join(self.tree.itertext())
        self.assertIn("a machine with 2 <CPUs> & more", text)
        self.assertIn("on a Friday", text)

    def test_needs_nothing_else(self):
        for element in self.tree.iter():
            self.assertNotIn(element.tag, ("script", "link", "img", "iframe", "object", "image", "use"))
            for name in element.attrib:
                self.assertNotIn(name.split("}")[-1], ("src", "href", "srcset", "data"))
        for outside in ("http:", "https:", "//", "url(", "@import"):
            self.assertNotIn(outside, self.page)

    def test_plots(self):
        plots = {f.find("figcaption/b").text: f.find("svg") for f in self.tree.iter("figure")}
        self.assertEqual(set(plots), {
            "Cost against the memory system", "Time of a request against a bare echo", "Service time of the RX lcore",
            "Waking an idle RX lcore", "Cost of a key as rows grow", "Cost of a key as bursts grow",
            "Cost of a key as requests grow", "Against peers", "Cache against other tables", "As it grows"})
        for title, svg in plots.items():
            width, height = (float(n) for n in svg.get("viewBox").split()[2:])
            for element in svg.iter():
                for name, most in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height),
                                   ("y1", height), ("y2", height), ("cy", height)):
                    self.assertTrue(0 <= float(element.get(name, 0)) <= most, (title, name, element.attrib))
                end = float(element.get("x", 0)) + float(element.get("width", 0))
                self.assertLessEqual(end, width, (title, element.attrib))
        for points in plots["Cost of a key as rows grow"].iter("polyline"):
            self.assertEqual(len(points.get("points").split()), 4)

    def test_verdicts(self):
        rows = {row[0].text: (row[1].text, row[4].text) for row in self.tree.iter("tr")
                if len(row) == 5 and row[0].tag == "td"}
        self.assertEqual(rows["one key, uniform"], ("6.4 L", "aim reached"))
        self.assertEqual(rows["one key, Zipf 0.99"], ("4.9 L", "must reached"))
        self.assertEqual(rows["certain absence"], ("5.1 L", "missed"))
        self.assertEqual(rows["over memcached, UDP, AF_XDP"], ("3.5", "must reached"))
        self.assertEqual(rows["over memcached, kernel bypass (vhost-user)"], ("12", "missed"))
        self.assertEqual(rows["Bloom filter, 100 M keys"], ("–", "not measured"))

    def test_a_line_alone(self):
        for line in self.lines.splitlines():
            parse(report.page(report.Lines([line]), "", ""))

    def test_what_is_no_line(self):
        for lines, why in (("", "no lines"), ("{}\n", "line 1"), ("nothing\n", "line 1"),
                           (self.lines.splitlines()[0] + "\n[1]\n", "line 2")):
            status, _, complaints = draw(lines)
            self.assertNotEqual(status, 0)
            self.assertIn(why, complaints)
            self.assertNotIn("Traceback", complaints)


if __name__ == "__main__":
    ROOT = sys.argv.pop(1)
    sys.path.insert(0, os.path.join(ROOT, "scripts"))
    sys.dont_write_bytecode = True
    import report
    unittest.main()
