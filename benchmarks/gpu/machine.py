"""Describes and measures the machine: facts, bandwidths, rates, cuBLASLt's choices, and the time of each hot op
alone."""
import os
import shutil
import subprocess
from pathlib import Path

from runner import cublaslt_folders, json_lines

FACTS = {
    "nvidia-smi": "nvidia-smi",
    "nvcc": "nvcc --version",
    "libraries in the loader's path": "ldconfig -p | grep -E 'cublas|libcuda|nccl'",
    "memory": "free -g",
    "disks": "df -h /tmp /dev/shm",
    "system": "uname -a",
}


def facts(bundle):
    """Yields the facts as rows, and writes the full output of the commands to machine.txt."""
    lines = []
    for name, command in FACTS.items():
        try:
            said = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=20)
            lines.append(f"== {name}\n{said.stdout}{said.stderr}")
        except subprocess.TimeoutExpired:
            lines.append(f"== {name}\nno answer within 20 s\n")
    lines.append("== cuBLASLt in wheels\n" + "\n".join(cublaslt_folders()) + "\n")
    (bundle.out / "machine.txt").write_text("\n".join(lines))
    yield {"fact": "GPU", "value": bundle.machine()}
    yield {"fact": "cores", "value": os.cpu_count()}
    yield {
        "fact": "cuBLASLt",
        "value": next(
            ("in a wheel, " + "/".join(Path(folder).parts[-3:]) for folder in cublaslt_folders()), "in no wheel"
        ),
    }
    yield {
        "fact": "tools",
        "value": ", ".join(name for name in ("ncu", "compute-sanitizer", "nvcc", "cuobjdump") if shutil.which(name))
        or "none",
    }


def micro(bundle):
    """Runs the programs of benchmarks/gpu/micro, starting with the most important results. Each program stops by itself
    within its time limit."""

    programs = bundle.kit / "micro"
    library = bundle.ingrain / "lib" / ("libingrain_cpu.so" if bundle.dry else "libingrain_cuda.so")
    runs = (
        [("ops", [programs / "ops", library, "30", "tiny"], 40)]
        if bundle.dry
        else [
            ("products", [programs / "products", "26"], 32),
            ("ops", [programs / "ops", library, "22"], 28),
            ("device", [programs / "device"], 15),
        ]
    )
    for name, command, seconds in runs:
        done = bundle.attempt(command, name, seconds)
        for row in json_lines(done.text()):
            # path and library are left out, because they are valid on this machine only.
            row = {key: value for key, value in row.items() if key not in ("path", "library")}
            # "accepts" rows are kept only for sizes that cuBLASLt refused.
            if row.get("test") != "accepts" or row.get("status") != 0:
                yield {"program": name, **row}
        if done.status != 0:
            yield {"program": name, "result": "FAILED", "why": done.why()}
