"""Tests of what the benchmarks compute: python3 benches/e2e/tests.py"""

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "harness"), str(HERE.parent / "callgrind")]

import callgrind_file  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
import summary  # noqa: E402
from loads import H2load  # noqa: E402

H2LOAD = """\
finished in 1.00s, 43550.00 req/s, 43.98MB/s
requests: 100 total, 105 started, 100 done, 98 succeeded, 2 failed, 2 errored, 0 timeout
status codes: 98 2xx, 0 3xx, 2 4xx, 0 5xx
traffic: 43.98MB (46119978) total, 85.15KB (87196) headers (space savings 94.73%), 42.74MB ({}) data
"""

CALLGRIND = """\
fn=main
0 5
cfn=work
calls=3 0
0 700
0 2
fn=work
0 100
cfn=mi_malloc_aligned
calls=4 0
0 600
fn=mi_malloc_aligned
0 590
cfn=mi_malloc
calls=4 0
0 10
fn=mi_malloc
0 10
"""


class Loads(unittest.TestCase):
    def test_h2load_is_read_and_its_failures_are_errors(self):
        spent = measure.Cpu(0.1, 0.0, 0.1, 1.0)
        told = H2load(8, (), 1024).parse([], H2LOAD.format(103 * 1024), spent)
        self.assertEqual((told.requests, told.rate), (98, 43550.0))
        self.assertEqual(told.errors, {"failed": 2, "errored": 2})

    def test_answers_of_another_length_are_errors(self):
        told = H2load(8, (), 1024).parse([], H2LOAD.format(99 * 1024), measure.Cpu(0, 0, 0, 1))
        self.assertIn("answers of another length", told.errors)


class Summary(unittest.TestCase):
    def test_ratios_pair_the_measurements_of_a_round(self):
        def cell(*values):
            return {"rounds": [{"round": n, "cpu_us": value} for n, value in enumerate(values) if value]}

        # The machine is twice as slow in the second round, and one measurement is missing in the third.
        cells = {"weir": cell(10, 20, 10), "nginx": cell(20, 40, None)}
        told = summary.ratio(cells, "weir", "nginx", "cpu_us")
        self.assertEqual((told["median"], told["q1"], told["q3"], told["n"]), (0.5, 0.5, 0.5, 2))


class Report(unittest.TestCase):
    def test_commands_name_no_folders_of_the_machine(self):
        words = ["/usr/me/.cache/weir-bench/load", "--authority", "/tmp/weir-bench-x/authority.pem", "--path", "/1k"]
        self.assertEqual(report.command(words), "load --authority authority.pem --path /1k")
        self.assertEqual(report.command(["h2load", "https://bench.test:1/1k"]), "h2load https://bench.test:1/1k")
        self.assertEqual(report.command(["--path", "/1k/service-7/items"]), "--path /1k/service-7/items")


class Callgrind(unittest.TestCase):
    def test_instructions_are_counted_where_they_are_spent(self):
        profile = callgrind_file.read(CALLGRIND.splitlines())
        self.assertEqual(profile.total(), 5 + 2 + 100 + 590 + 10)
        self.assertEqual(profile.instructions["main"], 7)

    def test_an_allocation_is_counted_once_for_who_asked(self):
        self.assertEqual(callgrind_file.read(CALLGRIND.splitlines()).allocations, {"work": 4})

    def test_the_difference_of_two_runs_is_what_one_did_more(self):
        profile = callgrind_file.read(CALLGRIND.splitlines())
        self.assertEqual((profile - profile).total(), 0)


if __name__ == "__main__":
    unittest.main()
