#!/usr/bin/env python3
"""Counts the lines and branches that `cargo test --workspace` runs, as a table for docs/coverage.md.

    scripts/coverage.py [--missed]

Needs a nightly compiler, as no other counts branches, and the tools of its LLVM (Debian package llvm-22 and the like).
Programs that tests start count too, as far as they end by themselves or by a signal that they heed.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "target/coverage"
PROFILES = TARGET / "profiles"


def main():
    arguments = argparse.ArgumentParser(description="Counts the lines and branches that the tests run.")
    arguments.add_argument("--missed", action="store_true", help="each file's missed lines and branches too")
    arguments = arguments.parse_args()
    profdata, cov = tool("llvm-profdata"), tool("llvm-cov")
    programs = run_tests()
    merged = TARGET / "merged.profdata"
    profiles = [str(each) for each in PROFILES.glob("*.profraw")]
    subprocess.run([profdata, "merge", "--sparse", "--failure-mode=all", "-o", merged, *profiles], check=True)
    objects = [word for each in programs for word in ("-object", each)]
    command = [cov, "export", "-summary-only", f"-instr-profile={merged}", *objects]
    files = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["data"][0]["files"]
    table(files, arguments.missed)


def tool(name):
    version = subprocess.run(["rustc", "+nightly", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    version = re.search(r"LLVM version: (\d+)", version)[1]
    path = shutil.which(f"{name}-{version}") or sys.exit(f"{name}-{version} is missing: install llvm-{version}")
    return path


def run_tests():
    """Runs the tests; returns all programs that may have written profiles."""
    shutil.rmtree(PROFILES, ignore_errors=True)
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(TARGET),
        "CARGO_INCREMENTAL": "0",
        "LLVM_PROFILE_FILE": str(PROFILES / "%8m.profraw"),
        # threads that count in the same memory make each other ten times slower
        "RUST_TEST_THREADS": "1",
        "RUSTFLAGS": "-Cinstrument-coverage -Zcoverage-options=branch",
    }
    # what an earlier build has left would be counted beside its successor
    for old in list((TARGET / "debug").glob("*")):
        if old.is_file():
            old.unlink()
    tests = ["cargo", "+nightly", "test", "--workspace", "--tests", "--no-fail-fast"]
    built = subprocess.run(
        [*tests, "--no-run", "--message-format=json"], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
    )
    programs = {json.loads(line).get("executable") for line in built.stdout.splitlines() if line.startswith(b"{")}
    if subprocess.run(tests, cwd=ROOT, env=environment).returncode != 0:
        print("some tests failed; what they ran counts", file=sys.stderr)
    # those that tests have built besides
    programs |= {str(each) for each in (TARGET / "debug").iterdir() if each.is_file() and os.access(each, os.X_OK)}
    return sorted(programs - {None})


def table(files, missed):
    """`crates/NAME` and `bins/NAME` by lines and branches."""
    packages = collections.defaultdict(lambda: collections.Counter())
    for file in files:
        path = pathlib.Path(file["filename"])
        if not path.is_relative_to(ROOT):
            continue
        parts = path.relative_to(ROOT).parts
        if parts[0] not in ("crates", "bins") or parts[2] != "src":
            continue
        for kind in "lines", "branches":
            summary = file["summary"][kind]
            packages[parts[:2]].update({kind: summary["count"], f"{kind} run": summary["covered"]})
            if missed and summary["count"] > summary["covered"]:
                print(f"{path.relative_to(ROOT)}: {summary['count'] - summary['covered']} of {summary['count']} {kind}")
    print("| | Lines run | of | | Branches taken | of | |\n|---|---|---|---|---|---|---|")
    for parts, counts in sorted(packages.items()):
        cells = []
        for kind in "lines", "branches":
            run, of = counts[f"{kind} run"], counts[kind]
            cells += [str(run), str(of), f"{100 * run / of:.0f} %" if of else ""]
        print(f"| `{'/'.join(parts)}` | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
