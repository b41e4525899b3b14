"""Runs the command line, tests and programs of the unpacked bundle, one by one or several at a time, each with a time
limit."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


class Skip(Exception):
    """Raised with the reason why a part cannot run here."""


@dataclasses.dataclass
class Done:
    """A command that has exited or was killed."""
    command: list
    status: int | None  # exit status; None if the command exceeded its time limit
    stdout: Path
    log: Path

    def text(self):
        return self.stdout.read_text(errors="replace")

    def why(self):
        """Returns one line with the exit status and the last line of the log."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines()[1:] if line.strip()]
        ended = "time limit exceeded" if self.status is None else f"status {self.status}"
        return (
            f"{Path(self.command[0]).name}: {ended}: {lines[-1][:300] if lines else 'no output'} (see {self.log.name})"
        )


class Bundle:
    """The folder that pack made, and the folder for results."""

    def __init__(self, home, out, device, dry, root=None):
        self.home, self.out, self.device, self.dry, self.root = home, out.resolve(), device, dry, root
        self.ingrain, self.kit = home / "ingrain", home / "kit"
        if dry:
            sys.path.append(str(stub_wheel(self.kit, self.out)))
        self.environment = environment(self.out)
        self.part, self.runs, self.deadline = "", 0, 0.0

    def machine(self):
        """Returns the GPU as reported by nvidia-smi: name, memory, driver."""
        if self.dry:
            return f"dry run on {self.device}"
        query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]

    def memory(self):
        """Returns the GPU's memory in bytes."""
        return int(self.machine().split(",")[1].split()[0]) * 2**20

    def begin(self, part, seconds):
        self.part, self.runs, self.deadline = part, 0, time.monotonic() + seconds

    def left(self):
        return max(0.1, self.deadline - time.monotonic())

    def need_gpu(self):
        if self.dry:
            raise Skip("needs a GPU")

    def need(self, program):
        path = shutil.which(program)
        if path is None:
            raise Skip(f"{program} is not installed")
        return path

    def start(self, command, name=None):
        """Starts a command in its own process group. Its output goes to OUT/PART-NAME.out and .log."""
        self.runs += 1
        stem = f"{self.part}-{name or self.runs}"
        done = Done([str(c) for c in command], None, self.out / f"{stem}.out", self.out / f"{stem}.log")
        with done.stdout.open("w") as stdout, done.log.open("w") as log:
            log.write(" ".join(done.command) + "\n")
            log.flush()
            process = subprocess.Popen(
                done.command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        return done, process

    def attempt(self, command, name=None, seconds=None):
        """Runs a command until it ends or until the time limit of the command or the part."""
        done, process = self.start(command, name)
        try:
            done.status = process.wait(min(seconds or self.left(), self.left()))
        except subprocess.TimeoutExpired:
            end(process)
        return done

    def run(self, command, name=None, seconds=None):
        """Runs a command and returns its standard output. Raises an exception if the command fails."""
        done = self.attempt(command, name, seconds)
        if done.status is None:
            raise TimeoutError(done.why())
        if done.status != 0:
            raise RuntimeError(done.why())
        return done.text()

    def side_by_side(self, commands, at_once, seconds):
        """Runs commands {name: command}, at most at_once at a time. Yields (name, Done) when a command ends."""
        waiting, running = list(commands.items()), {}
        while waiting or running:
            while waiting and len(running) < at_once and self.left() > 1:
                name, command = waiting.pop(0)
                running[name] = (*self.start(command, name), time.monotonic() + seconds)
            if waiting and not running:
                return  # no time left
            time.sleep(0.05)
            for name, (done, process, limit) in list(running.items()):
                done.status = process.poll()
                late = time.monotonic() > min(limit, self.deadline)
                if done.status is None and late:
                    end(process)
                if done.status is not None or late:
                    del running[name]
                    yield name, done

    def cli(self, *arguments):
        """Returns the command that runs the distribution's program `ingrain` with these arguments."""
        return self.java({}, f"{self.ingrain}/lib/*", "org.ingrain.cli.Main", *arguments)

    def java(self, properties, classpath, *arguments):
        """Returns the command that runs a program on the distribution's Java runtime."""
        system = {
            "ingrain.home": self.ingrain,
            **({"ingrain.root": self.root.resolve()} if self.root else {}),
            **properties,
        }
        return [
            self.ingrain / "runtime/bin/java",
            "--enable-native-access=ALL-UNNAMED",
            "-XX:+UseSerialGC",
            "-Xmx2g" if self.dry else "-Xmx8g",
            *(f"-D{name}={value}" for name, value in system.items()),
            "-cp",
            classpath,
            *map(str, arguments),
        ]

    def junit(self, name, properties):
        """Returns the command that runs one test class of the bundle on the classes of the distribution."""
        system = {
            "ingrain.references": f"replay:{self.kit / 'references'}",
            "ingrain.targets": self.device,
            **properties,
        }
        if not self.root:
            system["ingrain.root"] = self.kit
        return self.java(
            system,
            f"{self.kit}/classes:{self.ingrain}/lib/*:{self.kit}/junit.jar",
            "org.junit.platform.console.ConsoleLauncher",
            "execute",
            "--disable-banner",
            "--disable-ansi-colors",
            "--details=testfeed",
            f"--select-class={name}",
            f"--reports-dir={self.out / 'reports' / (self.part + '-' + name)}",
        )


def end(process):
    """Ends a process and its children."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
            process.wait(2)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def environment(out):
    """Returns the environment of all commands. It adds three things: the wheel's folder with cuBLASLt, because the
    loader would not search this folder; 32 hardware queues, because each rank that waits in a kernel needs its own
    queue; and a cache folder for PyTorch's compiler."""
    changed = dict(
        os.environ,
        CUDA_DEVICE_MAX_CONNECTIONS="32",
        PYTHONUNBUFFERED="1",
        TORCHINDUCTOR_CACHE_DIR=str(out / "inductor"),
    )
    paths = [*cublaslt_folders(), *filter(None, [changed.get("LD_LIBRARY_PATH")])]
    if paths:
        changed["LD_LIBRARY_PATH"] = ":".join(paths)
    return changed


def stub_wheel(kit, out):
    """Makes a folder of Python packages in which cuBLASLt has the same path as in NVIDIA's wheel. The library is the
    emulated cuBLASLt; the emulator's library, which it needs, is added."""
    folder = out / "wheel/nvidia/cu13/lib"
    folder.mkdir(parents=True, exist_ok=True)
    for file, name in (("libcublasLt_emulated.so", "libcublasLt.so.13"), ("libsimt.so", "libsimt.so")):
        shutil.copyfile(kit / "cublaslt" / file, folder / name)
    return out / "wheel"


def cublaslt_folders():
    """Returns the folders of Python wheels that contain cuBLASLt of CUDA 12 or 13, newest first."""
    found = [
        library for folder in sys.path if folder for library in Path(folder).glob("nvidia/*/lib/libcublasLt.so.1[23]")
    ]
    return list(
        dict.fromkeys(str(library.parent) for library in sorted(found, key=lambda library: library.name, reverse=True))
    )


def json_lines(text):
    """Returns the JSON objects in the output of a program that prints one per line. An incomplete last line is
    ignored."""
    rows = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return rows
