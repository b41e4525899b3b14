"""The unpacked bundle: where its programs are, and how they are run within a part's time."""
import json
import shutil
import subprocess
import time


class Skip(Exception):
    """Why a part cannot run here."""


class Bundle:
    def __init__(self, home, options):
        self.home, self.options = home, options
        self.out, self.dry = options.out.resolve(), options.dry_run
        self.device = options.device or ("cpu" if self.dry else "cuda")
        self.ingrain, self.kit = home / "ingrain", home / "kit"
        self.deadline = None

    def machine(self):
        """The GPU as nvidia-smi names it."""
        if self.dry:
            return f"dry run on {self.device}"
        query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]

    def memory(self):
        """Bytes of the GPU's memory."""
        return int(self.machine().split(",")[1].split()[0]) * 2**20

    def begin(self, part):
        self.part, self.runs = part, 0
        self.deadline = time.monotonic() + self.options.seconds

    def left(self):
        return max(1.0, self.deadline - time.monotonic())

    def need_gpu(self):
        if self.dry:
            raise Skip("needs a GPU")

    def need(self, program):
        path = shutil.which(program)
        if path is None:
            raise Skip(f"{program} is not installed")
        return path

    def run(self, command, **more):
        """Standard output of a command that ends in the part's time; its errors go to OUT/PART-N.log. Raises where it fails."""
        done = self.attempt(command, **more)
        if done.returncode != 0:
            raise RuntimeError(self.why(done))
        return done.stdout

    def why(self, done):
        """Of the last command, which failed: its status and the last line of its log."""
        last = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return f"{done.args[0]} ended with status {done.returncode}: {last[-1] if last else 'no output'} (see {self.log.name})"

    def attempt(self, command, **more):
        self.runs += 1
        self.log = self.out / f"{self.part}-{self.runs}.log"
        with self.log.open("w") as log:
            log.write(" ".join(map(str, command)) + "\n")
            log.flush()
            try:
                return subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=log, text=True, timeout=self.left(), **more)
            except subprocess.TimeoutExpired as e:
                raise TimeoutError(f"{command[0]}: not done within the part's {self.options.seconds} s (see {self.log.name})") from e

    def cli(self, *arguments):
        """The command line of the distribution."""
        return self.java({}, f"{self.ingrain}/lib/*", "org.ingrain.cli.Main", *arguments)

    def java(self, properties, classpath, *arguments):
        """A program on the distribution's runtime."""
        system = {"ingrain.home": self.ingrain, **({"ingrain.root": self.options.root.resolve()} if self.options.root else {}), **properties}
        return [self.ingrain / "runtime/bin/java", "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC",
                *(f"-D{name}={value}" for name, value in system.items()), "-cp", classpath, *map(str, arguments)]

    def junit(self, reports, properties, selection):
        """Tests of the kit, on the classes of the distribution."""
        system = {"ingrain.references": f"replay:{self.kit / 'references'}", **properties}
        if not self.options.root:
            system["ingrain.root"] = self.kit
        return self.java(system, f"{self.kit}/classes:{self.ingrain}/lib/*:{self.kit}/junit.jar", "-Xmx2g" if self.dry else "-Xmx6g",
                         "org.junit.platform.console.ConsoleLauncher", "execute", "--disable-banner", "--details=none", "--reports-dir", reports, *selection)

    def bench(self, *arguments):
        """`ingrain bench`: its tests by name."""
        return {test["test"]: test for test in json.loads(self.run(self.cli("bench", "--json", "--device", self.device, *arguments)))}


def table(rows):
    """Rows of one or several kinds as Markdown; the columns are the keys."""
    columns = list(dict.fromkeys(key for row in rows for key in row if key != "samples"))
    if not columns:
        return ""
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    for row in rows:
        lines.append("| " + " | ".join(cell(row.get(column)) for column in columns) + " |")
    return "\n".join(lines) + "\n"


def cell(value):
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value).replace("|", "/").replace("\n", " ")
