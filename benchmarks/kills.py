#!/usr/bin/env python3
"""Kills file-writing commands with SIGKILL at random times, and resumes them until they finish.

Each command first runs once without interruption. Then it is started, killed and started again until it ends by itself.
This sequence is called a chain. At the end of a chain, all files of the command's folder must have the same bytes as
after the uninterrupted run, except logs and timings. No other files may exist. The time of a kill is a number of
seconds of CPU time, so it does not depend on the load of the machine. In nine of ten cases, this time lies between
shortly before the program's first output and the program's end. The numbers of kills are added to WORK/kills.json, and
printed as a table at the end.

    benchmarks/kills.py WORK KILLS [--seed S] [--command COMMAND] [--only NAMES]
"""
import argparse
import collections
import filecmp
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAB = ROOT / "models/lab"
# Not compared: logs depend on time, and run.lock is empty.
DIFFERENT = {"log.txt", "run.log", "timings.json", "run.lock"}
MOST_KILLS = 30   # kills per chain; after these the command runs to its end
JAVA_LINE = 100   # the most bytes that Java itself writes before the program's first output
LETTERS = ["--task", "last-letter", "--generate", "8", "--test-size", "3", "--max-tokens", "64", "--batch-size", "2",
           "--epochs", "2", "--checkpoint-every", "1", "--learning-rate", "3e-3"]


class Job:
    """A command, and how often it was killed in each stage."""

    def __init__(self, name, *arguments):
        self.name, self.arguments = name, [str(argument) for argument in arguments]
        self.kills = collections.Counter()
        self.chains = self.starts = self.faults = 0


def jobs(work):
    done = work / "expected"
    lab = ["--model", LAB]
    distill = ["distill", *lab, *LETTERS]
    rows = ["--data", work / "rows.jsonl", "--batch-size", "2", "--epochs", "2", "--checkpoint-every", "2"]
    return [
        Job("distill", *distill, "--n", "3,1", "--controls", "distilled-system-1", "--output"),
        Job("distill --rounds", *distill, "--n", "2,1", "--rounds", "2", "--output"),
        Job("finetune", "finetune", *lab, *rows, "--rank", "4", "--validation-fraction", "0.2", "--output"),
        Job("finetune --full", "finetune", *lab, *rows, "--full", "--packing", "--output"),
        Job("merge", "merge", *lab, "--adapter", done / "finetune/out/adapter", "--output"),
        Job("distill --teacher", *distill, "--n", "2,1", "--teacher", done / "merge/out", "--output"),
        Job("distill --samples", *distill, "--method", "rar-1-step", "--samples", work / "answers.jsonl", "--output"),
        Job("distill --from", *distill, "--n", "3,1", "--from", done / "distill/out", "--rank", "4", "--output"),
        Job("generate", "generate", *lab, "--prompts", work / "prompts.txt", "--n", "4", "--temperature", "1", "--seed",
            "1", "--max-tokens", "64", "--json", "--output"),
        Job("export", "export", done / "distill/out", "--format", "dataset", "--output"),
        Job("export --format trl", "export", done / "distill/out", "--format", "trl", "--output"),
    ]


def inputs(work):
    """Writes prompts, and rows to train on."""
    words = ["Ann Bo", "Carl Dee", "Eve Finn", "Gus Hal", "Ida Jon", "Kim Leo", "Mia Ned", "Ola Pam"]
    questions = [f'Take the last letters of the words in "{pair}" and concatenate them.' for pair in words]
    answers = ["".join(word[-1] for word in pair.split()) for pair in words]
    (work / "prompts.txt").write_text("\n".join(questions) + "\n")
    (work / "rows.jsonl").write_text("".join(
        json.dumps({"prompt": question, "completion": answer}) + "\n" for question, answer in zip(questions, answers)))


def answers(work):
    """Writes three right answers to each question of the distill run, for --samples."""
    with open(work / "answers.jsonl", "w") as out:
        for line in open(work / "expected/distill/out/data/pool.jsonl"):
            row = json.loads(line)
            for _ in range(3):
                out.write(json.dumps({"id": row["id"], "text": f'The answer is "{row["gold"]}".'}) + "\n")


def start(command, job, folder, work):
    folder.mkdir(parents=True, exist_ok=True)
    (work / "tmp").mkdir(exist_ok=True)
    with open(work / "output.txt", "ab") as out:
        return subprocess.Popen([*command, *job.arguments, str(folder / "out")], stdout=out, stderr=subprocess.STDOUT,
                                env={**os.environ, "JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={work / 'tmp'}"})


def uninterrupted(command, job, work):
    """Runs a command to its end. Returns its CPU time until the first output and until the end, in seconds."""
    folder, output = work / "expected" / job.name, work / "output.txt"
    shutil.rmtree(folder, ignore_errors=True)
    output.touch()
    size = output.stat().st_size
    process = start(command, job, folder, work)
    ready, used = None, 0.0
    while (now := cpu(process)) is not None:
        used = now
        if ready is None and output.stat().st_size > size + JAVA_LINE:
            ready = used
        time.sleep(0.01)
    if process.wait() != 0:
        sys.exit(f"{job.name}: status {process.returncode}, see {output}")
    return ready or used / 2, used


def cpu(process):
    """Returns the CPU time of a process in seconds; None after its end."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stage(job, folder, expected):
    """Returns what a killed command was doing. The files that it has written show this."""
    out = folder / "out"
    if not out.exists():
        return "before its output"
    if (expected / "out/stages.json").exists():
        finished, everything = (stages(path / "out/stages.json") for path in (folder, expected))
        left = {name.split()[0] for name in everything - finished}
        return next((kind for kind in ("sample", "select", "curate", "train", "evaluate") if kind in left), "report")
    if job.arguments[0] == "finetune":
        return "result" if (out / "adapter").exists() or (out / "model").exists() else "train"
    return "after its output"


def stages(file):
    """Returns the names of the finished stages of a run."""
    return set(json.loads(file.read_text())["stages"]) if file.exists() else set()


def files(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if not path.is_dir()}


def differences(expected, found):
    mine, other = files(expected), files(found)
    names = [name for name in sorted(mine.keys() | other.keys()) if Path(name).name not in DIFFERENT]
    return [name for name in names if name not in mine or name not in other
            or not filecmp.cmp(mine[name], other[name], shallow=False)]


def chain(command, job, work, rng, times, left):
    """Starts and kills a command until it ends by itself. Returns the number of kills."""
    folder = work / "killed"
    shutil.rmtree(folder, ignore_errors=True)
    expected = work / "expected" / job.name
    killed = 0
    while True:
        process = start(command, job, folder, work)
        job.starts += 1
        ready, end = times
        moment = rng.uniform(0.02, ready) if rng.random() < 0.1 else rng.uniform(0.9 * ready, end)
        if killed >= min(MOST_KILLS, left):
            moment = float("inf")
        while (used := cpu(process)) is not None and used < moment:
            time.sleep(0.003)
        process.kill()
        status = process.wait()
        if status != -9:
            break
        killed += 1
        job.kills[stage(job, folder, expected)] += 1
    job.chains += 1
    wrong = [f"status {status}"] if status != 0 else differences(expected, folder)
    wrong += [f"temporary file {name}" for name in files(work / "tmp") if not name.startswith("hsperf")]
    if wrong:
        kept = work / f"fault-{job.name.replace(' ', '-')}-{job.chains}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder, kept)
        job.faults += 1
        print(f"{job.name}: chain {job.chains}, {killed} kills: {wrong}", flush=True)
    shutil.rmtree(work / "tmp")
    return killed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=lambda text: Path(text).resolve())
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--command", default=str(ROOT / "ingrain"))
    parser.add_argument("--only", help="names of commands, separated by commas")
    asked = parser.parse_args()
    command, work, rng = [asked.command], asked.work, random.Random(asked.seed)
    work.mkdir(parents=True, exist_ok=True)
    inputs(work)
    times = {}
    everything = jobs(work)
    for job in everything:
        times[job.name] = uninterrupted(command, job, work)
        print(f"{job.name}: {times[job.name][1]:.1f} s of CPU time without interruption, of which "
              f"{times[job.name][0]:.1f} s until its first output", flush=True)
        if job.name == "distill":
            answers(work)
    chosen = [job for job in everything if not asked.only or job.name in asked.only.split(",")]
    total, began = 0, time.time()
    while total < asked.kills:
        for job in chosen:
            if total < asked.kills:
                total += chain(command, job, work, rng, times[job.name], asked.kills - total)
                add(job, work / "kills.json")
        print(f"{total} kills in {time.time() - began:.0f} s", flush=True)
    sums = json.loads((work / "kills.json").read_text())
    print_table(sums)
    sys.exit(1 if any(one["faults"] for one in sums.values()) else 0)


def add(job, file):
    """Adds the numbers of a command to the file and resets them to 0."""
    sums = json.loads(file.read_text()) if file.exists() else {}
    one = sums.setdefault(job.name, {"kills": {}, "chains": 0, "starts": 0, "faults": 0})
    for name, count in job.kills.items():
        one["kills"][name] = one["kills"].get(name, 0) + count
    for name in ("chains", "starts", "faults"):
        one[name] += getattr(job, name)
    job.kills.clear()
    job.chains = job.starts = job.faults = 0
    file.write_text(json.dumps(sums, indent=1) + "\n")


def print_table(sums):
    print("\n| command | kills | by stage | chains | starts | chains with differences or leftovers |")
    print("|---|---:|---|---:|---:|---:|")
    for name, one in sums.items():
        stages = ", ".join(f"{stage} {count}" for stage, count in sorted(one["kills"].items(), key=lambda at: -at[1]))
        print(f"| {name} | {sum(one['kills'].values())} | {stages} | {one['chains']} | {one['starts']} | "
              f"{one['faults']} |")


if __name__ == "__main__":
    main()
