#!/usr/bin/env python3
"""Runs the fuzz targets: each for so many seconds of processor time, one to a core. Needs cargo-fuzz.

    scripts/fuzz.py [--seconds 300] [--jobs CORES] [TARGET...]
    scripts/fuzz.py --page

What was found lies in target/fuzz/found/TARGET; the exit code is 1 then. target/fuzz/account.json says how long each
target has run as it is now: a run that was ended goes on where it was, and a target whose program has changed begins
again, with the inputs that it had collected. --page writes that account to docs/fuzzing.md.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUZZ = ROOT / "target/fuzz"
ACCOUNT = FUZZ / "account.json"
PAGE = ROOT / "docs/fuzzing.md"
# Inputs that take so many seconds, and programs that grow to so many MiB, are findings.
SLOW = 10
LARGE = 1024
# the fuzzer's exit code
TIMED_OUT = 70


def main():
    arguments = argparse.ArgumentParser(description="Runs the fuzz targets, each for so many seconds of processor time.")
    arguments.add_argument("--seconds", type=float, default=300.0, help="processor time for each target (%(default)s)")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count(), help="targets at a time (%(default)s)")
    arguments.add_argument("--page", action="store_true", help="write docs/fuzzing.md instead")
    arguments.add_argument("targets", nargs="*", metavar="TARGET", help="all, if none is named")
    arguments = arguments.parse_args()
    known = re.findall(r'^path = "fuzz_targets/(\w+)\.rs"$', (ROOT / "fuzz/Cargo.toml").read_text(), re.MULTILINE)
    for target in arguments.targets:
        if target not in known:
            sys.exit(f"no target '{target}': {', '.join(known)}")

    if arguments.page:
        PAGE.write_text(page(known, Account()))
        return
    build = ["cargo", "fuzz", "build", "--sanitizer", "none", "--features", "libfuzzer", "--target-dir", FUZZ]
    # as quick to build as it can be, with every check
    profile = {"LTO": "off", "CODEGEN_UNITS": "16", "DEBUG": "line-tables-only", "OVERFLOW_CHECKS": "true"}
    profile = {f"CARGO_PROFILE_RELEASE_{name}": value for name, value in profile.items()}
    subprocess.run(build, cwd=ROOT, check=True, env={**os.environ, **profile})
    account = Account()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        runs = [pool.submit(run, target, arguments.seconds, account) for target in arguments.targets or known]
        found = [name for name in (each.result() for each in concurrent.futures.as_completed(runs)) if name]
    if found:
        sys.exit(f"found by {', '.join(sorted(found))}: the inputs lie in {FUZZ / 'found'}")


class Account:
    """What each program has run: `{target: {program, seconds, inputs}}`."""

    def __init__(self):
        self.lock = threading.Lock()
        self.runs = json.loads(ACCOUNT.read_text()) if ACCOUNT.exists() else {}

    def of(self, target, program):
        """As far as this very program has run."""
        with self.lock:
            entry = self.runs.get(target, {})
            if entry.get("program") != program:
                entry = self.runs[target] = {"program": program, "seconds": 0.0, "inputs": 0}
            return dict(entry)

    def add(self, target, seconds, inputs):
        with self.lock:
            entry = self.runs[target]
            entry["seconds"] = round(entry["seconds"] + seconds, 1)
            entry["inputs"] += inputs
            new = ACCOUNT.with_suffix(".new")
            new.write_text(json.dumps(self.runs, indent=1, sort_keys=True) + "\n")
            new.replace(ACCOUNT)
            return dict(entry)


def page(targets, account):
    """The account as a table; it begins with what the page says before its table."""
    head, _, _ = PAGE.read_text().rpartition("| Target")
    lines = ["| Target | Processor time | Inputs | Seeds | Kept from findings |", "|---|---|---|---|---|"]
    for target in sorted(targets):
        (program,) = FUZZ.glob(f"*/release/{target}")
        run = account.runs.get(target, {"program": None, "seconds": 0.0, "inputs": 0})
        earlier = "" if run["program"] == fingerprint(program) else " *"
        seeds = [each.name for each in (ROOT / "fuzz/seeds" / target).iterdir()]
        kept = sum(name.startswith("found-") for name in seeds)
        lines.append(f"| `{target}` | {run['seconds']:.0f} s{earlier} | {run['inputs']} | {len(seeds)} | {kept or ''} |")
    return head + "\n".join(lines) + "\n"


def run(target, wanted, account):
    """Runs one until it has had its time; returns its name if it found something."""
    (program,) = FUZZ.glob(f"*/release/{target}")
    entry = account.of(target, fingerprint(program))
    corpus, found = FUZZ / "corpus" / target, FUZZ / "found" / target
    for folder in corpus, found:
        folder.mkdir(parents=True, exist_ok=True)
    seeds = ROOT / "fuzz/seeds" / target
    # The fuzzer counts time on the wall, of which a busy machine gives it a part. Each time it begins by reading what it
    # has collected, which takes a while.
    while (left := wanted - entry["seconds"]) >= 1:
        bounds = [f"-max_total_time={min(left, 150):.0f}", f"-timeout={SLOW}", f"-rss_limit_mb={LARGE}"]
        code, seconds, said = measure([program, *bounds, f"-artifact_prefix={found}/", corpus, seeds])
        entry = account.add(target, seconds, int((re.findall(r"^#(\d+)", said, re.MULTILINE) or ["0"])[-1]))
        findings = [each for each in found.iterdir() if is_finding(program, each)]
        if findings or code not in (0, TIMED_OUT):
            print(f"{target}: ended with {code}\n{said[-3000:]}", flush=True)
            return target
    print(f"{target}: nothing found in {entry['seconds']:.0f} s and {entry['inputs']} inputs", flush=True)
    return None


def fingerprint(program):
    """Of what a program does: it is the same where only names and lines elsewhere have changed."""
    with tempfile.TemporaryDirectory() as folder:
        bare = pathlib.Path(folder) / "bare"
        subprocess.run(["strip", "-s", "-R", ".note.gnu.build-id", "-R", ".comment", "-o", bare, program], check=True)
        return hashlib.sha256(bare.read_bytes()).hexdigest()[:16]


def is_finding(program, artifact):
    """Whether what the fuzzer has kept is wrong when run alone too; what was slow on a machine that stood still is not."""
    code, seconds, _ = measure([program, f"-rss_limit_mb={LARGE}", artifact])
    if code == 0 and seconds < SLOW:
        artifact.unlink()
        return False
    return True


def measure(command):
    """Exit code, seconds of processor time, and what it said to stderr."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime, said


if __name__ == "__main__":
    main()
