#!/usr/bin/env python3
"""Runs the commands of kills.py on file systems that are too small. Then enlarges the file systems and resumes the
commands.

Each command writes to a new tmpfs that has only a part of the space that the command needs. The command must print
one line that names a file, exit with status 2, and leave no temporary file. After the tmpfs has been enlarged, the same
command must finish, and its files must have the same bytes as those of kills.py in WORK/expected. Needs root.

    benchmarks/disk_full.py WORK [--command COMMAND] [--only NAMES]
"""
import argparse
import subprocess
import sys
from pathlib import Path

import kills

PARTS = (0.05, 0.5, 0.95)
PAGE = 4096


def used(folder):
    """Returns the bytes that the files of a folder occupy in a tmpfs."""
    return sum(-(-path.stat().st_size // PAGE) * PAGE + PAGE for path in folder.rglob("*"))


def mount(folder, size, *more):
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([*more, f"size={size}"]), "tmpfs", folder], check=True)


def complete(command, job, folder):
    done = subprocess.run([*command, *job.arguments, str(folder / "out")], capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("ingrain: ")]
    return done.returncode, lines


def trial(command, job, work, part):
    """Returns what is wrong, and whether the file system was too small."""
    folder, expected = work / "full", work / "expected" / job.name
    folder.mkdir(exist_ok=True)
    mount(folder, max(PAGE, int(used(expected) * part) // PAGE * PAGE))
    try:
        status, lines = complete(command, job, folder)
        if status == 0:
            return kills.differences(expected, folder), False
        wrong = []
        if status != 2 or len(lines) != 1 or "No space left on device" not in lines[0]:
            wrong.append(f"status {status}, {lines}")
        left = [name for name in kills.files(folder) if ".unfinished" in name or name.endswith(".lock")
                and not name.endswith("run.lock")]
        mount(folder, 1 << 30, "remount")
        status, lines = complete(command, job, folder)
        wrong += left + ([f"resumed: status {status}, {lines}"] if status else kills.differences(expected, folder))
        return wrong, True
    finally:
        subprocess.run(["umount", folder], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=lambda text: Path(text).resolve())
    parser.add_argument("--command", default=str(kills.ROOT / "ingrain"))
    parser.add_argument("--only", help="names of commands, separated by commas")
    asked = parser.parse_args()
    faults = 0
    print("| command | sizes | too small | faults |\n|---|---:|---:|---|", flush=True)
    for job in kills.jobs(asked.work):
        if asked.only and job.name not in asked.only.split(","):
            continue
        results = [trial([asked.command], job, asked.work, part) for part in PARTS]
        wrong = [fault for found, _ in results for fault in found]
        faults += len(wrong)
        print(f"| {job.name} | {len(PARTS)} | {sum(full for _, full in results)} | {wrong or 0} |", flush=True)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
