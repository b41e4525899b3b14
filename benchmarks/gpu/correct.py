"""The parts of `check` that test correctness. A part passes or fails; its time is not a benchmark result."""
import json
import math
import re
import shutil
import sys
import xml.etree.ElementTree as ElementTree

from runner import json_lines

AT_ONCE = 6  # test processes that share the GPU
SECONDS = 45  # time limit of a test class; a class that exceeds it counts as hung
DRY_TIMES = 8  # a dry run has few cores, so it multiplies the time limits by this factor

HOT = ["RmsNorm", "Rope", "KvCache", "RopeCache", "AttentionPaged", "Matmul", "MatmulSiluMul", "NormMatmul", "Sample",
       "SelectIds", "Embedding", "Attention", "Lora", "CrossEntropy"]
BESIDE_OPS = ["ops.EmptyTest", "ops.BitwiseTest", "ops.BitwiseRowsTest", "ops.MatmulFp8Test", "ops.Fp8CacheTest",
              "sample.GeneratorDeviceTest", "train.DecoderTrainingGoldenTest", "train.ArchitecturesTest"]
LAST = ["ops.CollectivesTest"]  # the ranks of this class wait for each other in kernels


def hot(bundle):
    """Compares the ops that take most of a step of sampling or training with libtorch's recorded results."""
    yield from tests(bundle, [f"org.ingrain.ops.{name}ParityTest" for name in HOT])


def ops(bundle):
    """Tests all other ops, fp8, the generator on the device, ranks on one GPU, and that each bit of a row is
    independent of the other rows."""

    if bundle.dry:
        yield from accidents(bundle)
    yield from tests(bundle, others(bundle))
    yield from tests(bundle, [f"org.ingrain.{name}" for name in LAST])


def others(bundle):
    """Returns the test classes of ops() except those in LAST."""
    hot_classes = {f"{name}ParityTest" for name in HOT}
    found = sorted(file.stem for file in (bundle.kit / "classes/org/ingrain/ops").glob("*ParityTest.class"))
    found = [f"ops.{name}" for name in found if name not in hot_classes and name != "ParityTest"]
    return [f"org.ingrain.{name}" for name in found + BESIDE_OPS]


def accidents(bundle):
    """For a dry run. Checks that the rows of other classes are correct if one test class kills its process and another
    one hangs, and that cuBLASLt is found in a wheel."""
    ends = {"EndsItself": "ended with status -9", "Hangs": "hung", "FindsCublasLt": ""}
    for row in tests(bundle, [f"org.ingrain.kit.{name}" for name in ends], seconds=5):
        expected = ends[row["class"]]
        if expected:
            row["result"] = "passed" if row["why"].startswith(expected) else "FAILED"
        yield row


def missing(bundle, results, table):
    """For a dry run. Returns the classes of the parts hot and ops that have no row in the results or in the table."""
    names = [f"{name}ParityTest" for name in HOT] + [name.rsplit(".", 1)[-1] for name in others(bundle) + LAST]
    rows = {row["class"] for part in ("hot", "ops") for row in results[part]["rows"]}
    return [name for name in names if name not in rows or f"| {name} |" not in table]


def tests(bundle, classes, prefix=(), seconds=None):
    """Yields one row per class. Each class runs in its own process, so a crash or a hang affects no other class."""
    seconds = seconds or SECONDS * (DRY_TIMES if bundle.dry else 1)
    properties = {
        "ingrain.device.backend": "simt" if bundle.device == "cpu" else bundle.device,
        "ingrain.golden.backend": bundle.device,
    }
    commands = {name: [*prefix, *bundle.junit(name, properties)] for name in classes}
    for name, done in bundle.side_by_side(commands, 1 if bundle.dry else AT_ONCE, seconds):
        yield {"class": name.rsplit(".", 1)[-1], "on": bundle.device, **outcome(bundle, name, done)}


def outcome(bundle, name, done):
    """Returns the result of a class, from its output and report. A class also fails if it has no test, if a test was
    skipped, or if its process did not exit."""
    feed = re.findall(r"^(.*) :: (STARTED|SUCCESSFUL|FAILED|ABORTED)", done.text(), re.M)
    count = {word: sum(state == word for _, state in feed) for word in ("SUCCESSFUL", "FAILED", "ABORTED")}
    row = {
        "tests": sum(count.values()),
        "failed": count["FAILED"],
        "skipped": count["ABORTED"],
        "seconds": seconds_of(bundle, name),
    }
    why = first_failure(bundle, name)
    if done.status is None or done.status < 0 or done.status > 1:
        last = feed[-1][0].split(" > ")[-1] if feed else "no test"
        why = f"{'hung' if done.status is None else f'ended with status {done.status}'} in {last}"
    elif not row["tests"]:
        why = next((line for line in done.text().splitlines() if line.startswith("Skipped:")), done.why())
    right = done.status == 0 and row["tests"] and not row["failed"] and not row["skipped"]
    if bundle.dry and done.status == 0 and row["skipped"] == row["tests"]:  # the class needs a feature of GPUs
        return {**row, "result": "skipped", "why": why[:300]}
    return {**row, "result": "passed" if right else "FAILED", "why": why[:300]}


def reports(bundle, name):
    for file in (bundle.out / "reports" / f"{bundle.part}-{name}").glob("TEST-*.xml"):
        yield ElementTree.parse(file)


def seconds_of(bundle, name):
    return round(
        sum(float(suite.get("time", 0)) for report in reports(bundle, name) for suite in report.iter("testsuite")), 1
    )


def first_failure(bundle, name):
    for report in reports(bundle, name):
        for case in report.iter("testcase"):
            wrong = next(
                (found for found in map(case.find, ("failure", "error", "skipped")) if found is not None), None
            )
            if wrong is not None:
                return f"{case.get('name')}: {wrong.get('message') or wrong.text or ''}"
    return ""


def stories(bundle):
    """Tests that the greedy text of a real model equals the recorded text, and that its log-probabilities are close to
    the recorded ones."""
    for dtype in ("f32", "bf16"):
        yield story(bundle, dtype)


def story(bundle, dtype):
    """Compares the generated ids with the golden ids. In F32 all ids must be equal. In BF16 at least the first 16 ids
    must be equal, and the log-probabilities of the equal ids must be close."""
    model = bundle.kit / "models/stories15M"
    expected = json.loads((model / "golden.json").read_text())
    text = bundle.run(
        bundle.cli(
            "generate",
            "--device",
            bundle.device,
            "--model",
            model,
            "--dtype",
            dtype,
            "--raw",
            "--prompt",
            "",
            "--temperature",
            "0",
            "--max-tokens",
            str(len(expected["ids"])),
            "--json",
        ),
        f"stories-{dtype}",
    )
    found = json.loads(text)
    ids, same = found["ids"], 0
    while same < min(len(ids), len(expected["ids"])) and ids[same] == expected["ids"][same]:
        same += 1
    pairs = list(zip(found["log_probabilities"], expected["log_probabilities"]))[:same]
    furthest = max((abs(a - b) for a, b in pairs), default=math.inf)
    tolerance = 1e-3 if dtype == "f32" else 0.1
    right = ids == expected["ids"] if dtype == "f32" else same >= 16
    return {
        "class": f"stories15M greedy, {dtype}",
        "on": bundle.device,
        "tests": len(expected["ids"]),
        "failed": len(expected["ids"]) - same,
        "furthest log-probability": furthest,
        "tolerance": tolerance,
        "result": "passed" if right and furthest <= tolerance else "FAILED",
    }


def ranks(bundle):
    """Tests two ranks on one GPU: a real model must sample the same tokens as with one rank. Also times all_reduce."""
    name = "org.ingrain.parallel.RanksOnOneDeviceTest"
    properties = {"ingrain.device.backend": bundle.device, "ingrain.stories": bundle.kit / "models/stories15M",
                  "ingrain.repetitions": 3 if bundle.dry else 200}
    done = bundle.attempt(bundle.junit(name, properties), name)
    yield {"class": "RanksOnOneDeviceTest", "on": bundle.device, **outcome(bundle, name, done)}
    yield from json_lines(done.text())


def golden(bundle):
    """Compares training with PEFT, for a small model and at the width of 70B."""
    yield from tests(bundle, ["org.ingrain.train.DecoderTrainingGoldenTest"])
    folder = bundle.out / "wide"
    shutil.rmtree(folder, ignore_errors=True)
    bundle.run([sys.executable, bundle.home / "peers/wide_golden.py", folder, *(["--tiny"] if bundle.dry else [])])
    properties = {"ingrain.golden.backend": bundle.device, "ingrain.golden.folder": folder}
    name = "org.ingrain.train.WideGoldenTest"
    done = bundle.attempt(bundle.junit(name, properties), name)
    yield {"class": "WideGoldenTest", "on": bundle.device, **outcome(bundle, name, done)}
    shutil.rmtree(folder)


def memcheck(bundle, classes):
    """Runs these classes under Compute Sanitizer's memcheck."""
    yield from sanitized(bundle, "memcheck", classes)


def sanitizer(bundle):
    """Runs the tests of six hot ops under two tools of Compute Sanitizer, one tool after the other. Runs as many test
    classes as the time allows."""
    for tool in ("racecheck", "memcheck"):
        yield from sanitized(
            bundle,
            tool,
            [
                f"org.ingrain.ops.{name}ParityTest"
                for name in ("AttentionPaged", "Sample", "Matmul", "Lora", "Attention", "RmsNorm")
            ],
        )


def sanitized(bundle, tool, classes):
    bundle.need_gpu()
    program = bundle.need("compute-sanitizer")
    for name in classes:
        log = bundle.out / f"{tool}-{name}.txt"
        prefix = [program, "--tool", tool, "--log-file", log, "--error-exitcode", "97", "--require-cuda-init=no"]
        for row in tests(bundle, [name], prefix, bundle.left()):
            text = log.read_text(errors="replace") if log.exists() else ""
            summary = next((line.strip("= ") for line in text.splitlines() if "SUMMARY" in line), "no summary")
            clean = "SUMMARY: 0 errors" in text or "0 hazards" in text
            yield {**row, "tool": tool, "summary": summary, "result": row["result"] if clean else "FAILED"}


def pipeline(bundle):
    """Tests the command line from end to end: fine-tunes the bundle's model, merges the adapter and samples from the
    merged model. Then runs the demo on the lab model."""
    work = bundle.out / "pipeline"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    model = bundle.kit / "models/stories15M"
    letters = "ABCDEFGH"
    (work / "rows.jsonl").write_text(
        "".join(
            json.dumps({"prompt": f"{a} and {b}:", "completion": f" {b}{a}"}) + "\n" for a in letters for b in letters
        )
    )
    device = ["--device", bundle.device]
    steps = "8" if bundle.dry else "200"
    bundle.run(
        bundle.cli(
            "finetune",
            *device,
            "--model",
            model,
            "--data",
            work / "rows.jsonl",
            "--max-steps",
            steps,
            "--output",
            work / "tuned",
        )
    )
    metrics = [json.loads(line) for line in next(work.glob("tuned/**/metrics.jsonl")).read_text().splitlines()]
    losses = [line["loss"] for line in metrics if "loss" in line]
    yield {
        "step": "finetune",
        "first loss": losses[0],
        "last loss": losses[-1],
        "result": "passed" if losses[-1] < losses[0] else "FAILED",
    }
    adapter = next(work.glob("tuned/**/adapter_config.json")).parent
    bundle.run(bundle.cli("merge", "--model", model, "--adapter", adapter, "--output", work / "merged"))
    answers = []
    for which in (["--model", model, "--adapter", adapter], ["--model", work / "merged"]):
        text = bundle.run(
            bundle.cli(
                "generate",
                *device,
                *which,
                "--raw",
                "--prompt",
                "A and B:",
                "--temperature",
                "0",
                "--max-tokens",
                "8",
                "--json",
            )
        )
        answers.append(json.loads(text)["text"])
    yield {"step": "the merged model gives the same answer as base model and adapter", "answer": answers[0],
           "result": "passed" if answers[0] == answers[1] else "differs by rounding"}
    yield from demo(bundle)


def demo(bundle):
    """Runs sampling, curation, training and evaluation with the lab model."""
    work = bundle.out / "demo"
    shutil.rmtree(work, ignore_errors=True)
    bundle.run(bundle.cli("demo", "--device", bundle.device, "--output", work), "demo")
    for task in ("last-letter", "coin-flip"):
        arms = {arm["name"]: arm["accuracy"] for arm in json.loads((work / task / "report.json").read_text())["arms"]}
        shown = {name: f"{100 * arms[name]:.1f} %" for name in ("system-1", "system-2", "distilled")}
        yield {
            "step": f"demo, {task}",
            **shown,
            "result": "passed" if arms["distilled"] >= 0.9 > arms["system-1"] else "FAILED",
        }
