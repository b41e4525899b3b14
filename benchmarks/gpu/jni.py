"""Compares JNI with Panama (benchmarks/jni). One process makes the same calls of the CUDA driver and the same matrix
products, once through JCuda and once through our binding."""

import os
import sys
from pathlib import Path

from runner import Skip, json_lines
from speed import shape

MODELS = ("llama-2-7b", "llama-2-70b")
BOTH_ROWS = (8, 2048)  # decoding, prefill


def jni(bundle):
    """Yields the rows of the comparison. If the program fails, the rows before the failure are kept."""
    kit = bundle.kit / "jni"
    if not kit.is_dir():
        raise Skip("this bundle was made without JCuda: use pack --jni")
    libcuda, libcublas = stubs(bundle, kit) if bundle.dry else ("libcuda.so.1", cublas_places())
    rows = (3, 20) if bundle.dry else BOTH_ROWS
    done = bundle.attempt(
        bundle.java(
            {"java.library.path": kit / "lib"},
            f"{kit}:{bundle.ingrain}/lib/*",
            "org.ingrain.jni.JniComparison",
            bundle.device,
            libcuda,
            ",".join(map(str, libcublas)),
            ",".join(map(str, rows)),
            *products(bundle),
        ),
        "comparison",
    )
    on = "stubs of libcuda and libcublas" if bundle.dry else bundle.device
    for row in json_lines(done.text()):
        yield {"on": on, **row}
    if done.status != 0:
        yield {"on": on, "test": "remaining tests", "result": "FAILED", "why": done.why()}


def products(bundle):
    """Returns NAME:N:C for the two largest weights of a layer of each model."""
    if bundle.dry:
        return ["small:96:64"]
    sizes = []
    for name in MODELS:
        config = shape(bundle, name).config
        hidden, intermediate = config["hidden_size"], config["intermediate_size"]
        sizes += [f"{name} gate_up_proj:{2 * intermediate}:{hidden}", f"{name} down_proj:{hidden}:{intermediate}"]
    return sizes


def cublas_places():
    """Returns possible paths of libcublas.so.12: on the loader's path, in CUDA's folder, and in Python's wheels."""
    toolkit = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "lib64/libcublas.so.12")
    wheels = [
        library
        for folder in sys.path
        if folder
        for library in Path(folder).resolve().glob("nvidia/*/lib/libcublas.so.12")
    ]
    return ["libcublas.so.12", toolkit, *wheels]


def stubs(bundle, kit):
    """Compiles the libraries of a dry run."""
    gcc = bundle.need("gcc")
    made = []
    for stem, soname in (("cuda", "libcuda.so.1"), ("cublas", "libcublas.so.12")):
        made.append(bundle.out / soname)
        # JCublas looks up symbols with a version, and this version is the soname of cuBLAS.
        bundle.run(
            [
                gcc,
                "-O2",
                "-shared",
                "-fPIC",
                f"-Wl,-soname,{soname}",
                "-Wl,--default-symver",
                kit / f"{stem}.c",
                "-o",
                made[-1],
            ],
            f"gcc-{stem}",
        )
    return made[0], made[1:]
