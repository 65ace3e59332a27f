"""Third-party networks with stored integers, and the comparison of an executed program with every one of them.

A golden tensor is sought among the tensors of the program that have its size, one for each layer: the names of the
layers are the authors' and do not appear in the model file, and branches may run in another order. Layers that a
default program computes inside a longer step function are named here, so that no layer vanishes unseen; a program that
is compiled to be looked into (`observed`) has every one.
"""

# onnx ships no complete type stubs.
# pyright: basic

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx_text import pixel_or_signed_type, real_inputs

from imcflow.api import CompileOptions, compile_model, pipeline_text

if TYPE_CHECKING:
    from imcflow.compiled import CompiledProgram

Array = NDArray[Any]
MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"


@dataclass(frozen=True)
class GoldenNetwork:
    """A model file, its stored inputs and what its authors say about them.

    Attributes:
        name: family and network.
        path: the model.
        inputs: by ONNX name, all stored samples, batch first.
        input_types: integer types of inputs that the file leaves open.
        arithmetic: `onnx` or `litert`.
        outputs: stored outputs of all samples, in the order of the model's outputs; None: not stored.
        layers: stored tensors of the first samples by name, in execution order, batch first, channels first.
        logits: stored tensor before the last op, of all samples.
        fused: the layers that have no tensor of their own in a default program.
        labels: class of each sample.
        accuracy: share of right classes that the model set states.
    """

    name: str
    path: Path
    inputs: Mapping[str, Array]
    input_types: Mapping[str, str] = field(default_factory=dict[str, str])
    arithmetic: str = "onnx"
    outputs: tuple[Array, ...] | None = None
    layers: Mapping[str, Array] = field(default_factory=dict[str, Array])
    logits: Array | None = None
    fused: frozenset[str] = frozenset()
    labels: Array | None = None
    accuracy: float | None = None

    @property
    def samples(self) -> int:
        """Number of stored inputs."""
        return len(next(iter(self.inputs.values())))

    def first(self, count: int) -> GoldenNetwork:
        """Return the network with its first samples only; the accuracy holds for all of them, so it goes."""
        if count >= self.samples:
            return self
        return replace(
            self,
            inputs={name: array[:count] for name, array in self.inputs.items()},
            outputs=None if self.outputs is None else tuple(array[:count] for array in self.outputs),
            layers={name: array[:count] for name, array in self.layers.items()},
            logits=None if self.logits is None else self.logits[:count],
            labels=None if self.labels is None else self.labels[:count],
            accuracy=None,
        )


def dory(name: str) -> GoldenNetwork:
    """Return one of DORY's six networks; every layer is stored."""
    folder = MODELS / "int8_dory" / name
    (path,) = folder.glob("*.onnx")
    golden = np.load(folder / "golden.npz")
    value = real_inputs(onnx.load(path))[0]
    sizes = [size.dim_value for size in value.type.tensor_type.shape.dim][1:]
    inputs = {value.name: golden["input"].reshape(-1, *sizes)}
    layers = {key: golden[key] for key in sorted(golden.files, key=_number) if key.startswith("out_layer")}
    types = {value.name: pixel_or_signed_type(golden["input"])}
    return GoldenNetwork(f"dory/{name}", path, inputs, types, layers=layers, fused=FUSED.get(name, frozenset[str]()))


def _number(key: str) -> int:
    return int("".join(filter(str.isdigit, key)) or 0)


def deeploy(name: str) -> GoldenNetwork:
    """Return one of Deeploy's eight networks; the outputs are stored."""
    folder = MODELS / "int8_deeploy" / "Models" / name
    path = folder / "network.onnx"
    arrays, golden = np.load(folder / "inputs.npz"), np.load(folder / "outputs.npz")
    names = [value.name for value in real_inputs(onnx.load(path))]
    inputs = {name: arrays[key] for name, key in zip(names, arrays.files, strict=True)}
    types = {name: pixel_or_signed_type(array) for name, array in inputs.items()}
    return GoldenNetwork(f"deeploy/{name}", path, inputs, types, outputs=tuple(golden[key] for key in golden.files))


def mlperf_samples(name: str) -> tuple[Array, Array | None]:
    """Return all stored int8 inputs of an MLPerf Tiny network and their classes."""
    data = MODELS / "data"
    if name.startswith("ic_"):
        images = np.load(data / "cifar10_test_0_499.npz")
        return (images["X"].astype(np.int64) - 128).astype(np.int8), images["y"]
    if name == "kws_dscnn":
        words = np.load(data / "kws_speechcommands12_1000.npz")
        return words["X_int8_dscnn"], words["y"]
    if name == "vww_mobilenet":
        person = np.load(data / "vww_coco343218_person.npz")
        return (person["X"].astype(np.int64) - 128).astype(np.int8), np.ravel(person["y"])
    if name == "sww":
        wake = np.load(data / "streaming_wakeword_45.npz")
        return np.clip(np.round(wake["X"] / 0.003701042616739869 - 128), -128, 127).astype(np.int8), wake["y"]
    logmel = np.load(data / "toycar_normal_id_01_00000000.npz")["logmel"]
    windows = np.stack([logmel[begin : begin + 5].ravel() for begin in range(196)])
    return np.clip(np.rint(windows / np.float32(0.39101523)) + 89, -128, 127).astype(np.int8), None


MLPERF_ACCURACY = {
    "ic_resnet8": (0.884, 0.890),
    "ic_resnet_large": (0.902, 0.904),
    "kws_dscnn": (0.910, 0.912),
    "vww_mobilenet": (1.0, 1.0),
    "sww": (0.911, 0.911),
    "ad_autoencoder": (None, None),
}
"""Network -> accuracy of the model set in the arithmetic of onnxruntime and of LiteRT."""


def mlperf(name: str, arithmetic: str = "litert") -> GoldenNetwork:
    """Return an MLPerf Tiny network: in LiteRT's arithmetic with every layer of two samples and all outputs.

    In the arithmetic of the ONNX file only the accuracy is an oracle: onnxruntime's float sums fall on the other side
    of a rounding border now and then.
    """
    folder = MODELS / "mlperf_tiny"
    path = folder / f"{name}_int8.onnx"
    images, labels = mlperf_samples(name)
    inputs = {real_inputs(onnx.load(path))[0].name: images}
    golden = np.load(folder / f"{name}_int8.golden.npz")
    accuracy = MLPERF_ACCURACY[name][arithmetic == "litert"]
    if arithmetic == "onnx":
        return GoldenNetwork(f"mlperf/{name}", path, inputs, arithmetic=arithmetic, labels=labels, accuracy=accuracy)
    first = [key.partition("_")[2] for key in golden.files if key.startswith("sample0_")]
    layers = {
        key: np.concatenate([golden[f"sample{index}_{key}"] for index in range(min(2, len(images)))]) for key in first
    }
    channels_first = {key: a.transpose(0, 3, 1, 2) if a.ndim == 4 else a for key, a in layers.items()}
    logits = golden["presoftmax_litert_ref"] if "presoftmax_litert_ref" in golden.files else None
    return GoldenNetwork(
        f"mlperf/{name}",
        path,
        inputs,
        arithmetic=arithmetic,
        outputs=(golden["out_litert_ref"],),
        layers=channels_first,
        logits=logits,
        labels=labels,
        accuracy=accuracy,
    )


FUSED = {
    "dronet_v3": frozenset(f"out_layer{index}" for index in (2, 4, 6, 8, 10, 12)),
}
"""DORY's network -> layers whose requantisation the sum behind them repeats: a convolution ends in both at once."""


def cnv(file: str = "cnvW2A2_affine.onnx") -> GoldenNetwork:
    """Return CNV-W2A2: logits of 500 images, accumulators, activations and pools of four."""
    folder = MODELS / "ternary" / "cnv_bnnpynq"
    data = np.load(MODELS / "data" / "cifar10_test_0_499.npz")
    pixels = data["X"].astype(np.float64)
    images = np.clip(np.floor((2 * pixels / 255 - 1) * 128), -128, 127).transpose(0, 3, 1, 2).astype(np.float32)
    golden = np.load(folder / "cnvW2A2_golden_cifar10_0_499.npz")
    order = [key for index in range(8) for key in (f"acc{index}", f"act{index}", f"pool{index}") if key in golden.files]
    return GoldenNetwork(
        f"cnv/{Path(file).stem}",
        folder / file,
        {"x": images},
        {"x": "si8"},
        outputs=(golden["logits"],),
        layers={key: golden[key] for key in order},
        labels=data["y"],
        accuracy=0.858,
        fused=frozenset(f"acc{index}" for index in range(8)),
    )


DORY = ("penguinet_32", "nas_frontnet", "dronet_v3", "residual_test_1", "residual_test_2", "tcn_1d")
DEEPLOY = (
    "CNN_Linear1",
    "CNN_Linear2",
    "MLPerf/AnomalyDetection",
    "MLPerf/ImageClassification",
    "MLPerf/KeywordSpotting",
    "MLPerf/VisualWakeWords",
    "miniMobileNet",
    "miniMobileNetv2",
)
MLPERF = tuple(MLPERF_ACCURACY)
NAMES = (
    *(f"dory/{name}" for name in DORY),
    *(f"deeploy/{name}" for name in DEEPLOY),
    *(f"mlperf/{name}" for name in MLPERF),
    "cnv/cnvW2A2_affine",
    "cnv/cnvW2A2_qonnx",
)


def network(name: str, arithmetic: str = "litert") -> GoldenNetwork:
    """Return the network of one of `NAMES`; the arithmetic matters for MLPerf Tiny only."""
    family, _, rest = name.partition("/")
    match family:
        case "dory":
            return dory(rest)
        case "deeploy":
            return deeploy(rest)
        case "mlperf":
            return mlperf(rest, arithmetic)
        case _:
            return cnv(f"{rest}.onnx")


def observed(golden: GoldenNetwork) -> GoldenNetwork:
    """Return the network as a program that is compiled to be looked into shows it: nothing is fused."""
    return replace(golden, fused=frozenset())


def compiled(golden: GoldenNetwork, target: str, *, look_inside: bool = False) -> CompiledProgram:
    """Compile a network; to look inside, its accumulators and all integers of at most 8 bits become tensors."""
    options = CompileOptions(target=target, input_types=dict(golden.input_types), arithmetic=golden.arithmetic)
    if look_inside:
        text = pipeline_text(options)
        for name, opened in LOOK_INSIDE.items():
            assert name in text
            text = text.replace(name, opened)
        options = replace(options, pipeline=text)
    return compile_model(golden.path, options)


@dataclass(frozen=True)
class Difference:
    """One golden tensor beside the program's: how many values there are and how many differ."""

    tensor: str
    values: int
    differ: int


@dataclass(frozen=True)
class Comparison:
    """What a run showed.

    Attributes:
        tensors: the golden tensors that the program has.
        fused: the others; they are those that the network names.
        accuracy: share of samples of the right class, if the samples have classes.
    """

    tensors: tuple[Difference, ...]
    fused: tuple[str, ...]
    accuracy: float | None

    @property
    def values(self) -> int:
        """Values compared."""
        return sum(item.values for item in self.tensors)

    @property
    def differ(self) -> int:
        """Values that differ."""
        return sum(item.differ for item in self.tensors)


LOOK_INSIDE = {
    "imc-assign-units{": "imc-assign-units{separate-steps=true ",
    "imc-fold-thresholds": "imc-fold-thresholds{keep-bits=8}",
}
"""Changes of the pipeline that leave every golden integer in the program."""


def compare(golden: GoldenNetwork, program: CompiledProgram, *, fidelity: str = "word") -> Comparison:
    """Run the program on all samples of `golden` and compare every golden tensor."""
    found: list[Difference] = []
    fused: list[str] = []
    names = [tensor.name for tensor in program.program.tensors]
    if golden.layers:
        stored = len(next(iter(golden.layers.values())))
        part = {name: array[:stored] for name, array in golden.inputs.items()}
        kept = program.run_detailed(part, fidelity=fidelity, keep=names).tensors
        unused = {name: kept[name].reshape(stored, -1) for name in names if name in kept}
        for key, layer in golden.layers.items():
            if key in golden.fused:
                fused.append(key)
                continue
            expected = layer.reshape(stored, -1).astype(np.int64)
            counts = {
                name: int((array != expected).sum()) for name, array in unused.items() if array.shape == expected.shape
            }
            best = min(counts, key=lambda name: counts[name], default=None)
            found.append(Difference(key, expected.size, expected.size if best is None else counts[best]))
            if best is not None and counts[best] == 0:
                del unused[best]
    needs_all = golden.outputs is not None or golden.logits is not None or golden.labels is not None
    if not needs_all:
        return Comparison(tuple(found), tuple(fused), None)
    ports = [program.program.tensors[port.tensor].name for port in program.program.outputs]
    before = [] if golden.logits is None else names[names.index(ports[0]) - 3 : names.index(ports[0]) - 2]
    result = program.run_detailed(golden.inputs, fidelity=fidelity, keep=before)
    outputs = list(result.outputs.values())
    for index, expected in enumerate(golden.outputs or ()):
        actual = outputs[index].reshape(expected.shape)
        found.append(Difference(f"output {index}", expected.size, int((actual != expected).sum())))
    for name in before:
        assert golden.logits is not None
        found.append(Difference("logits", golden.logits.size, int((result.tensors[name] != golden.logits).sum())))
    accuracy = None
    if golden.labels is not None:
        accuracy = float((outputs[0].reshape(golden.samples, -1).argmax(1) == golden.labels).mean())
    return Comparison(tuple(found), tuple(fused), accuracy)
