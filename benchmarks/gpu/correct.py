"""Right or wrong: the parts of check that a number cannot pass."""
import json
import math
import shutil
import sys
import xml.etree.ElementTree as ElementTree

OPS = ["--select-package", "org.ingrain.ops", "--include-classname", r".*(ParityTest|CollectivesTest|EmptyTest)"]


def tests(bundle, name, properties, selection, prefix=()):
    """A row per test class. No test at all is a failure too, and so is a test that was skipped."""
    reports = bundle.out / f"{bundle.part}-{name}"
    shutil.rmtree(reports, ignore_errors=True)
    done = bundle.attempt([*prefix, *bundle.junit(reports, properties, selection)])
    (bundle.out / f"{bundle.part}-{name}.txt").write_text(done.stdout)
    classes = {}
    for report in reports.glob("TEST-*.xml"):
        for case in ElementTree.parse(report).iter("testcase"):
            row = classes.setdefault(case.get("classname").rsplit(".", 1)[-1], {"tests": 0, "failed": 0, "skipped": 0, "first failure": ""})
            row["tests"] += 1
            row["skipped"] += case.find("skipped") is not None
            wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
            if wrong is not None:
                row["failed"] += 1
                row["first failure"] = row["first failure"] or (wrong.get("message") or wrong.text or "")[:200]
    rows = [{"class": key, "on": bundle.device, **row, "result": "FAILED" if row["failed"] or row["skipped"] else "passed"}
            for key, row in sorted(classes.items())]
    if not rows or done.returncode != 0 and all(row["result"] == "passed" for row in rows):
        reason = next((line for line in done.stdout.splitlines() if line.startswith("Skipped:") and bundle.device in line), "")
        rows.append({"class": name, "on": bundle.device, "tests": 0, "result": "FAILED", "first failure": reason or f"status {done.returncode}"})
    return rows


def parity(bundle):
    """Every op against libtorch's recorded results."""
    return tests(bundle, "ops", {"ingrain.targets": bundle.device}, OPS)


def golden(bundle):
    """A real model's greedy text to the letter and its log-probabilities; training beside PEFT, small and at 70B's width."""
    rows = [story(bundle, dtype) for dtype in ("f32", "bf16")]
    training = {"ingrain.golden.backend": bundle.device}
    rows += tests(bundle, "training", training, ["--select-class", "org.ingrain.train.LlamaTrainingGoldenTest"])
    folder = bundle.out / "wide"
    shutil.rmtree(folder, ignore_errors=True)
    bundle.run([sys.executable, bundle.home / "peers/wide_golden.py", folder, *(["--tiny"] if bundle.dry else [])])
    rows += tests(bundle, "wide", {**training, "ingrain.golden.folder": folder}, ["--select-class", "org.ingrain.train.WideGoldenTest"])
    shutil.rmtree(folder)
    return rows


def story(bundle, dtype):
    """F32 arithmetic has to tell the same story; BF16 is compared as far as it does, and must keep near throughout."""
    model = bundle.kit / "models/stories15M"
    expected = json.loads((model / "golden.json").read_text())
    text = bundle.run(bundle.cli("generate", "--device", bundle.device, "--model", model, "--dtype", dtype, "--raw", "--prompt", "", "--temperature", "0",
                                 "--max-tokens", str(len(expected["ids"])), "--json"))
    found = json.loads(text)
    ids, same = found["ids"], 0
    while same < min(len(ids), len(expected["ids"])) and ids[same] == expected["ids"][same]:
        same += 1
    pairs = list(zip(found["log_probabilities"], expected["log_probabilities"]))[:same]
    furthest = max((abs(a - b) for a, b in pairs), default=math.inf)
    tolerance = 1e-3 if dtype == "f32" else 0.1
    right = ids == expected["ids"] if dtype == "f32" else same >= 16
    return {"class": f"stories15M greedy, {dtype}", "on": bundle.device, "tests": len(expected["ids"]), "failed": len(expected["ids"]) - same,
            "furthest log-probability": furthest, "tolerance": tolerance, "result": "passed" if right and furthest <= tolerance else "FAILED"}


def sanitizer(bundle):
    """Compute Sanitizer over parity tests, tool by tool, as many test classes as fit the time."""
    bundle.need_gpu()
    program = bundle.need("compute-sanitizer")
    rows = []
    for tool in ("memcheck", "racecheck"):
        for name in ("RmsNorm", "AttentionPaged", "Attention", "Matmul", "Sample", "Lora", "CrossEntropy", "KvCache", "Rope", "Embedding"):
            if bundle.left() < 60:
                rows.append({"class": f"{name}ParityTest", "tool": tool, "result": "no time left"})
                continue
            log = bundle.out / f"sanitizer-{tool}-{name}.log"
            prefix = [program, "--tool", tool, "--log-file", log, "--error-exitcode", "97", "--require-cuda-init=no"]
            try:
                found = tests(bundle, f"{tool}-{name}", {"ingrain.targets": bundle.device},
                              ["--select-class", f"org.ingrain.ops.{name}ParityTest"], prefix)
            except TimeoutError:
                rows.append({"class": f"{name}ParityTest", "tool": tool, "result": "no time left"})
                continue
            text = log.read_text(errors="replace") if log.exists() else ""
            summary = next((line.strip("= ") for line in text.splitlines() if "SUMMARY" in line), "no summary")
            clean = "SUMMARY: 0 errors" in text or "0 hazards" in text
            rows += [{**row, "tool": tool, "summary": summary, "result": row["result"] if clean else "FAILED"} for row in found]
    return rows


def pipeline(bundle):
    """The command line end to end: fine-tune the kit's model, merge, answer from the merged one; the demo on the lab model."""
    work = bundle.out / "pipeline"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    model = bundle.kit / "models/stories15M"
    letters = "ABCDEFGH"
    (work / "rows.jsonl").write_text("".join(json.dumps({"prompt": f"{a} and {b}:", "completion": f" {b}{a}"}) + "\n" for a in letters for b in letters))
    device = ["--device", bundle.device]
    steps = "8" if bundle.dry else "200"
    bundle.run(bundle.cli("finetune", *device, "--model", model, "--data", work / "rows.jsonl", "--max-steps", steps, "--output", work / "tuned"))
    rows = []
    metrics = [json.loads(line) for line in next(work.glob("tuned/**/metrics.jsonl")).read_text().splitlines()]
    losses = [line["loss"] for line in metrics if "loss" in line]
    rows.append({"step": "finetune", "loss at first": losses[0], "loss at last": losses[-1], "result": "passed" if losses[-1] < losses[0] else "FAILED"})
    adapter = next(work.glob("tuned/**/adapter_config.json")).parent
    bundle.run(bundle.cli("merge", "--model", model, "--adapter", adapter, "--output", work / "merged"))
    answers = []
    for which in (["--model", model, "--adapter", adapter], ["--model", work / "merged"]):
        text = bundle.run(bundle.cli("generate", *device, *which, "--raw", "--prompt", "A and B:", "--temperature", "0", "--max-tokens", "8", "--json"))
        answers.append(json.loads(text)["text"])
    rows.append({"step": "merged answers as base and adapter do", "answer": answers[0],
                 "result": "passed" if answers[0] == answers[1] else "differs by rounding"})
    bundle.run(bundle.cli("demo", *device, "--output", work / "demo"))
    for task in ("last-letter", "coin-flip"):
        arms = {arm["name"]: arm["accuracy"] for arm in json.loads((work / "demo" / task / "report.json").read_text())["arms"]}
        shown = {name: f"{100 * arms[name]:.1f} %" for name in ("system-1", "system-2", "distilled")}
        rows.append({"step": f"demo, {task}", **shown, "result": "passed" if arms["distilled"] >= 0.9 > arms["system-1"] else "FAILED"})
    return rows
