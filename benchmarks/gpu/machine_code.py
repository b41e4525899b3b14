"""Reads the kernels of a CUDA library from its machine code: their resources, and their loop with tensor core
instructions. Needs cuobjdump and nvdisasm on the PATH, from CUDA or from the triton wheel
(triton/backends/nvidia/bin)."""
import re
import subprocess
import sys
from collections import Counter

RESERVED = 1024     # bytes of shared memory that the driver adds to a block
FEW = re.compile(r"_ZN8few_rows7productINS_5ShapeI\d+(__nv_fp8_e4m3|__nv_bfloat16)Lb([01])ELi(\d)ELi(\d)ELb([01])E"
                 r"(?:Lb([01])E)?")
MID = re.compile(r"_ZN8mid_rows7productINS_5ShapeI(?:13__nv_(fp8)_e4m3|NS_4(Int8|Int4)E)Lb([01])ELi(\d)E")
HOT = {
    "attention": re.compile(r"attendILi128EEE"), "attention backward": re.compile(r"9gradientsILi128ELi128ELi2E"),
    "paged bf16": re.compile(r"attendI13__nv_bfloat16Li128ELb1E"),
    "paged fp8": re.compile(r"attendI13__nv_fp8_e4m3Li128ELb1E"),
    "lora row_sums": re.compile(r"8row_sumsILb0E"), "lora update": re.compile(r"6updateILb0ENS_4TileILi1E"),
    "lora pass, columns": re.compile(r"4passILb1ELb0ELb0E"), "lora pass, tokens": re.compile(r"4passILb0ELb1ELb0E"),
    "lora pass, both": re.compile(r"4passILb1ELb1ELb0ELi8E"),
}
INSTRUCTION = re.compile(r"\s*/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?(.*?);")
# Instructions of the ALU pipe. A scheduler needs two clocks to issue one such instruction for a warp.
ALU = {"LOP3", "SHF", "ISETP", "SEL", "PRMT", "VIMNMX", "IMNMX", "FMNMX", "FSETP", "FSEL", "PLOP3", "LEA", "IADD3"}


def name_of(mangled):
    if found := FEW.search(mangled):
        kind, gated, m, tiles, deep, normed = found.groups()
        kind = "fp8" if "fp8" in kind else "bf16"
        if normed == "1":
            return f"norm_matmul {kind}{' gated' if gated == '1' else ''}{'' if deep == '1' else ', shallow'}"
        return (kind, gated == "1", int(m), int(tiles), deep == "1")
    if found := MID.search(mangled):
        return ("mid_rows", (found[1] or found[2]).lower(), found[3] == "1", int(found[4]))
    return next((name for name, pattern in HOT.items() if pattern.search(mangled)), None)


class Kernel:
    """The innermost loop with tensor core instructions, and the resources of a kernel."""

    def __init__(self, resources, code):
        self.registers = int(re.search(r"REG:(\d+)", resources)[1])
        self.static = max(0, int(re.search(r"SHARED:(\d+)", resources)[1]) - RESERVED)
        self.spills = sum(op.split(".")[0] in ("LDL", "STL") for _, op in code)
        loops = []
        for at, text in code:
            if text.startswith("BRA") and (to := re.search(r"(0x[0-9a-f]+)", text)) and int(to[1], 16) <= at:
                loops.append([op for place, op in code if int(to[1], 16) <= place <= at])
        counts = [Counter(op.split()[0].split(".")[0] for op in loop) for loop in loops]
        inner = [c for c in counts if c["HMMA"] and not any(0 < d["HMMA"] < c["HMMA"] and d.total() < c.total() / 3
                                                            for d in counts)]
        self.ops = max(inner, key=lambda c: c["HMMA"] / c.total())
        self.instructions, self.hmma = self.ops.total(), self.ops["HMMA"]
        # Paged attention has a loop per chunk for at most 16 rows. The body of this loop starts the copies of keys and
        # values.
        few = [c.total() for c in inner if c["LDGSTS"] >= 32]
        self.few_rows = min(few) if few else None
        self.alu = sum(n for op, n in self.ops.items() if op in ALU)


def tool(*command):
    try:
        return subprocess.run(["cuobjdump", *command], capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        sys.exit(f"cuobjdump {' '.join(command)[:80]}: {error}")


def read(library):
    """Returns the hot kernels of a library by name. Names of few_rows kernels are tuples (type, gated, M, TILES,
    deep), those of mid_rows kernels ("mid_rows", type, gated, TILES)."""
    resources = {}
    for function, line in re.findall(r"Function (\S+):\s*\n\s*(.*)", tool("--dump-resource-usage", str(library))):
        if (name := name_of(function)) is not None:
            resources[function] = (name, line)
    code, function = {}, None
    for line in tool("-sass", "-fun", ",".join(resources), str(library)).splitlines():
        if found := re.match(r"\s*Function : (\S+)", line):
            function = found[1]
            code[function] = []
        elif (found := INSTRUCTION.match(line)) and function:
            code[function].append((int(found[1], 16), found[2]))
    return {name: Kernel(line, code[function]) for function, (name, line) in resources.items() if function in code}
