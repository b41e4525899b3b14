"""The parts of check and call, by name. A part is a function that takes a Bundle and yields rows."""
import correct
import jni
import machine
import speed

PARTS = {
    "facts": machine.facts,
    "hot": correct.hot,
    "ops": correct.ops,
    "stories": correct.stories,
    "micro": machine.micro,
    "70b": speed.compared("llama-2-70b", 40),
    "7b": speed.compared("llama-2-7b"),
    "whole70b": speed.alone("llama-2-70b"),
    "fp8": speed.compared("llama-2-70b", 40, "fp8"),
    "ranks": correct.ranks,
    "golden": correct.golden,
    "demo": correct.demo,
    "pipeline": correct.pipeline,
    "throughput": speed.throughput,
    "profile": speed.profile,
    "sanitizer": correct.sanitizer,
    "jni": jni.jni,
}
