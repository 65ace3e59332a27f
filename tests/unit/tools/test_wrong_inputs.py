"""Wrong inputs: each gives one clear line on stderr and exit status 1, and leaves no file behind."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from imcflow.arrays import read_arrays
from imcflow.tools.imcflow_main import main

DIGITS = Path(str(files("imcflow") / "data" / "digits_cnn.onnx"))


@dataclass(frozen=True)
class Case:
    name: str
    arguments: Callable[[Path], list[str]]
    message: tuple[str, ...]  # every part must be in the line


def compile_arguments(model: Path, *extra: str) -> list[str]:
    return ["compile", str(model), "-o", str(model.parent / "out.imcp"), *extra]


def saved(folder: Path, name: str, model: onnx.ModelProto) -> Path:
    onnx.save(model, folder / name)
    return folder / name


def graph(nodes: list[onnx.NodeProto], shape: list[int | str], out_shape: list[int | str]) -> onnx.ModelProto:
    return helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, out_shape)],
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )


def truncated_model(folder: Path) -> list[str]:
    path = folder / "truncated.onnx"
    path.write_bytes(DIGITS.read_bytes()[: DIGITS.stat().st_size // 2])
    return compile_arguments(path)


def text_model(folder: Path) -> list[str]:
    path = folder / "notes.onnx"
    path.write_text("this is not a model\n")
    return compile_arguments(path)


def unknown_op(folder: Path) -> list[str]:
    node = helper.make_node("FancyAttention", ["x"], ["y"], name="fancy_3", domain="com.example")
    return compile_arguments(saved(folder, "unknown.onnx", graph([node], ["N", 4], ["N", 4])))


def dynamic_height(folder: Path) -> list[str]:
    node = helper.make_node("Relu", ["x"], ["y"], name="relu_0")
    return compile_arguments(saved(folder, "dynamic.onnx", graph([node], ["N", 3, "H", "W"], ["N", 3, "H", "W"])))


def meaningful_attribute(folder: Path) -> list[str]:
    node = helper.make_node("Relu", ["x"], ["y"], name="relu_7", negative_slope=0.1)
    return compile_arguments(saved(folder, "attribute.onnx", graph([node], ["N", 3], ["N", 3])))


def float_activations(folder: Path) -> list[str]:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 3], [1.0, -1.0, 0.0, 0.0, 1.0, 1.0])
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["h"], name="fc_0", transB=1),
        helper.make_node("Sigmoid", ["h"], ["s"], name="sigmoid_0"),
        helper.make_node("Gemm", ["s", "v"], ["t"], name="fc_1", transB=1),
        helper.make_node("Sigmoid", ["t"], ["u"], name="sigmoid_1"),
        helper.make_node("Gemm", ["u", "v"], ["y"], name="fc_2", transB=1),
    ]
    model = graph(nodes, ["N", 3], ["N", 2])
    model.graph.initializer.extend([weights, helper.make_tensor("v", TensorProto.FLOAT, [2, 2], [1.0, 0.5, -1.0, 0.3])])
    return compile_arguments(saved(folder, "float.onnx", model))


def bad_target_key(folder: Path) -> list[str]:
    from imcflow.targets.registry import load_target

    path = folder / "mine.yaml"
    path.write_text(load_target("rtm-ap-256").to_yaml() + "\ncolour: blue\n")
    return ["targets", "check", str(path)]


def bad_target_value(folder: Path) -> list[str]:
    import re

    from imcflow.targets.registry import load_target

    path = folder / "mine.yaml"
    path.write_text(re.sub(r"(?m)^(\s*)rows: \d+", r"\1rows: -3", load_target("rtm-ap-256").to_yaml(), count=1))
    return ["targets", "check", str(path)]


def digits_program(folder: Path, *extra: str) -> Path:
    path = folder / "digits.imcp"
    assert main(["compile", str(DIGITS), "-o", str(path), *extra]) == 0
    return path


def run_arguments(folder: Path, *extra: str, **arrays: np.ndarray) -> list[str]:
    np.savez(folder / "in.npz", **arrays)
    return ["run", str(digits_program(folder, *extra)), "-i", str(folder / "in.npz"), "-o", str(folder / "out.npz")]


def activity_arguments(folder: Path, name: str) -> list[str]:
    return ["cost", str(digits_program(folder)), "--activity", str(folder / name)]


def images(count: int = 2, size: int = 8) -> np.ndarray:
    return np.zeros((count, 1, size, size), np.uint8)


def convolution(
    folder: Path, *, kernel: tuple[int, ...] = (2, 1, 3, 3), bias: int | None = None, **given: Any
) -> list[str]:
    """Arguments that compile a convolution of a 5 x 5 map."""
    inputs = ["x", "w"] if bias is None else ["x", "w", "b"]
    model = graph([helper.make_node("Conv", inputs, ["y"], name="conv_4", **given)], ["N", 1, 5, 5], ["N", 2, 3, 3])
    for name, shape in (("w", kernel), ("b", (bias or 0,))):
        model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
    return compile_arguments(saved(folder, "conv.onnx", model), "--input", "x:ui4")


def raw_input(write: Callable[[Path], object]) -> Callable[[Path], list[str]]:
    """Arguments that run a program on a file that `write` makes."""

    def arguments(folder: Path) -> list[str]:
        program = digits_program(folder)
        write(folder / "in.npz")
        return ["run", str(program), "-i", str(folder / "in.npz"), "-o", str(folder / "out.npz")]

    return arguments


def single_array(path: Path) -> None:
    with path.open("wb") as file:  # numpy.save would add a suffix to a path
        np.save(file, images())


def damaged_array(path: Path) -> None:
    np.savez_compressed(path, image=images(count=50))
    data = bytearray(path.read_bytes())
    data[80] ^= 0x55
    path.write_bytes(data)


def endless_array(path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (10000000000000, 1, 8, 8)}".ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("image.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


def secret_array(path: Path) -> None:
    """Mark the only member as encrypted, in its own header and in the directory."""
    np.savez(path, image=images())
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


def flat_pooling(folder: Path) -> list[str]:
    node = helper.make_node("MaxPool", ["x"], ["y"], name="pool_5", kernel_shape=[2])
    return compile_arguments(saved(folder, "pool.onnx", graph([node], ["N", 1, 5, 5], ["N", 1, 5, 4])))


def onto_itself(folder: Path) -> list[str]:
    path = folder / "mine.onnx"
    path.write_bytes(DIGITS.read_bytes())
    return ["compile", str(path), "-o", str(path)]


def undefined_normalisation(folder: Path) -> list[str]:
    """A batch norm with a negative variance: the digital unit finds an undefined number, and numpy stays silent."""
    nodes = [
        helper.make_node("BatchNormalization", ["x", "one", "zero", "zero", "minus"], ["n"], name="bn_2"),
        helper.make_node("Floor", ["n"], ["f"], name="floor_2"),
        helper.make_node("Clip", ["f", "low", "high"], ["q"], name="clip_2"),
        helper.make_node("Conv", ["q", "w"], ["y"], name="conv_2"),
    ]
    model = graph(nodes, ["N", 1, 8, 8], ["N", 1, 8, 8])
    values = {"one": [1.0], "zero": [0.0], "minus": [-1.0], "low": 0.0, "high": 3.0, "w": [[[[1.0]]]]}
    for name, value in values.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
    program = folder / "bn.imcp"
    assert main(["compile", str(saved(folder, "bn.onnx", model)), "-o", str(program), "--input", "x:ui4"]) == 0
    np.savez(folder / "in.npz", x=images())
    return ["run", str(program), "-i", str(folder / "in.npz"), "-o", str(folder / "out.npz")]


def too_bright(folder: Path) -> list[str]:
    return run_arguments(folder, "--input", "image:ui5", image=images() + 200)


def flipped_program(folder: Path) -> list[str]:
    path = digits_program(folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)
    return ["inspect", str(path)]


def truncated_program(folder: Path) -> list[str]:
    path = digits_program(folder)
    path.write_bytes(path.read_bytes()[:-100])
    return ["inspect", str(path)]


def future_program(folder: Path) -> list[str]:
    import dataclasses

    from imcflow.runtime.container import write_program
    from imcflow.runtime.loader import load_program

    path = digits_program(folder)
    write_program(dataclasses.replace(load_program(path), format_version=99), path)
    return ["inspect", str(path)]


def not_a_program(folder: Path) -> list[str]:
    path = folder / "zeros.imcp"
    path.write_bytes(bytes(4096))
    return ["inspect", str(path)]


CASES = [
    Case("missing model", lambda folder: compile_arguments(folder / "nothing.onnx"), ("nothing.onnx", "no such file")),
    Case("wrong ending", lambda folder: compile_arguments(DIGITS.parent / "digits_test.npz"), (".onnx",)),
    Case("truncated model", truncated_model, ("truncated.onnx",)),
    Case("text instead of a model", text_model, ("notes.onnx",)),
    Case("unknown op", unknown_op, ("fancy_3", "FancyAttention")),
    Case("dynamic shape that matters", dynamic_height, ("x",)),
    Case("attribute that changes meaning", meaningful_attribute, ("relu_7", "negative_slope")),
    Case("float activations without calibration", float_activations, ("--calibrate",)),
    Case(
        "unknown target", lambda folder: compile_arguments(DIGITS, "-t", "rtm-ap-9000"), ("rtm-ap-9000", "rtm-ap-256")
    ),
    Case("unknown key in a target", bad_target_key, ("mine.yaml", "colour")),
    Case("value out of range in a target", bad_target_value, ("mine.yaml", "rows", "-3")),
    Case("bad --input type", lambda folder: compile_arguments(DIGITS, "--input", "x:int8"), ("x:int8",)),
    Case("unknown --input name", lambda folder: compile_arguments(DIGITS, "--input", "nobody:si8"), ("nobody",)),
    Case("no output file", lambda folder: ["compile", str(DIGITS)], ("-o",)),
    Case(
        "three arrays per layer",
        lambda folder: compile_arguments(DIGITS, "--set", "imc-unroll.arrays-per-layer=3"),
        ("imc-unroll", "arrays-per-layer", "power of two", "got 3"),
    ),
    Case("setting without a pass", lambda folder: compile_arguments(DIGITS, "--set", "x=1"), ("PASS.OPTION=VALUE",)),
    Case("setting without a value", lambda folder: compile_arguments(DIGITS, "--set", "x"), ("PASS.OPTION=VALUE",)),
    Case(
        "setting of a pass that does not run",
        lambda folder: compile_arguments(DIGITS, "--set", "imc-pack.x=1"),
        ("imc-pack", "imc-unroll"),
    ),
    Case(
        "setting of another kind",
        lambda folder: compile_arguments(DIGITS, "--set", "imc-canonicalize.fold-scales=many"),
        ("imc-canonicalize", "many", "bool"),
    ),
    Case(
        "file name that no pipeline can express",
        lambda folder: compile_arguments(DIGITS, "--calibrate", 'a"b.npz', "--activation-bits", "4"),
        ('a"b.npz', "quotation mark"),
    ),
    Case("pooling with another number of axes", flat_pooling, ("pool_5", "[2]", "2 spatial axes")),
    Case("unknown pass", lambda folder: compile_arguments(DIGITS, "--pipeline", "imc-magic"), ("imc-magic",)),
    Case("unknown option", lambda folder: ["compile", str(DIGITS), "--fast"], ("--fast",)),
    Case("wrong array name", lambda folder: run_arguments(folder, picture=images()), ("picture",)),
    Case("wrong shape", lambda folder: run_arguments(folder, image=images(size=9)), ("image", "9", "8")),
    Case(
        "wrong type", lambda folder: run_arguments(folder, image=images().astype(np.complex64)), ("image", "complex64")
    ),
    Case("value outside the input's range", too_bright, ("image", "200", "31")),
    Case("unknown fidelity", lambda f: [*run_arguments(f, image=images()), "--fidelity", "exact"], ("exact", "micro")),
    Case("activity file missing", lambda f: activity_arguments(f, "nothing.npz"), ("nothing.npz", "no such file")),
    Case("flipped byte in a program", flipped_program, ("digits.imcp",)),
    Case("truncated program", truncated_program, ("digits.imcp",)),
    Case("program from the future", future_program, ("digits.imcp", "99")),
    Case("not a program", not_a_program, ("zeros.imcp",)),
    Case("kernel of size 0", lambda folder: convolution(folder, kernel=(2, 1, 0, 3)), ("conv_4", "[2, 1, 0, 3]")),
    Case("no outputs", lambda folder: convolution(folder, kernel=(0, 1, 3, 3)), ("conv_4", "[0, 1, 3, 3]")),
    Case("bias of another size", lambda folder: convolution(folder, bias=3), ("conv_4", "bias", "[3]", "[2]")),
    Case(
        "pads beside automatic ones",
        lambda folder: convolution(folder, auto_pad="VALID", pads=[1, 1, 1, 1]),
        ("conv_4", "pads", "[1, 1, 1, 1]", "VALID"),
    ),
    Case("undefined number at run time", undefined_normalisation, ("clip_2", "undefined")),
    Case("array without a name", raw_input(single_array), ("in.npz", "single array")),
    Case("damaged array", raw_input(damaged_array), ("in.npz",)),
    Case("array that fits no memory", raw_input(endless_array), ("in.npz", "image", "TiB")),
    Case("encrypted array", raw_input(secret_array), ("in.npz", "encrypted")),
    Case("text instead of arrays", raw_input(lambda path: path.write_text("hello")), ("in.npz", "not a zip file")),
    Case(
        "calibration without images",
        lambda folder: [
            *compile_arguments(DIGITS, "-t", "aimc-256x64", "--calibrate-converters", str(folder / "none.npz")),
            *(np.savez(folder / "none.npz", image=images(0)) or ()),
        ],
        ("imc-calibrate-converters", "no images"),
    ),
    Case(
        "check without images",
        lambda folder: ["check", str(DIGITS), *run_arguments(folder, image=images(0))[1:4]],
        ("in.npz", "no images"),
    ),
    Case("output over the model", onto_itself, ("mine.onnx", "overwritten")),
    Case("output in no folder", lambda f: ["compile", str(DIGITS), "-o", str(f / "none" / "o.imcp")], ("no folder",)),
    Case("empty output name", lambda folder: ["compile", str(DIGITS), "-o", ""], ("directory",)),
    Case(
        "two outputs in one file",
        lambda folder: [*run_arguments(folder, image=images()), "--trace", str(folder / "out.npz")],
        ("out.npz", "two outputs"),
    ),
    Case(
        "an input with two types",
        lambda folder: compile_arguments(DIGITS, "--input", "image:ui5", "--input", "image:ui6"),
        ("image:ui6", "ui5"),
    ),
    Case(
        "an option set twice",
        lambda folder: compile_arguments(
            DIGITS, "--set", "imc-unroll.arrays-per-layer=2", "--set", "imc-unroll.arrays-per-layer=4"
        ),
        ("imc-unroll.arrays-per-layer", "2"),
    ),
    Case("missing program", lambda folder: ["inspect", str(folder / "nothing.imcp")], ("nothing.imcp",)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_wrong_input_gives_one_line_and_status_1(case: Case, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # Outputs go where the case can be seen to leave nothing behind.
    folder = tmp_path
    arguments = case.arguments(folder)
    arguments = [str(tmp_path / "out.imcp") if a == str(DIGITS.parent / "out.imcp") else a for a in arguments]
    capfd.readouterr()
    assert main(arguments) == 1
    captured = capfd.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("imcflow: error: ")
    for part in case.message:
        assert part in lines[0], lines[0]
    assert captured.out == ""
    assert not (tmp_path / "out.imcp").exists()
    assert not (tmp_path / "out.npz").exists()
    assert not list(tmp_path.glob(".*.part"))


def test_inputs_of_truth_values_run(tmp_path: Path) -> None:
    """An input of ONNX type bool takes bool arrays, and integers that are 0 or 1."""
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    model = graph([node], ["N", 3], ["N", 3])
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.BOOL
    program = tmp_path / "p.imcp"
    assert main(["compile", str(saved(tmp_path, "bool.onnx", model)), "-o", str(program)]) == 0
    for dtype, status in ((np.bool_, 0), (np.int64, 0), (np.float32, 1)):
        np.savez(tmp_path / "in.npz", x=np.array([[0, 1, 1]], dtype))
        assert main(["run", str(program), "-i", str(tmp_path / "in.npz"), "-o", str(tmp_path / "out.npz")]) == status
        assert read_arrays(tmp_path / "out.npz")["y"].tolist() == [[0.0, 1.0, 1.0]]
