"""Train the bundled network: ternary weights, 4-bit activations, on scikit-learn's 8x8 digits.

    pip install 'imcflow[train]' onnxruntime
    python examples/train_digits.py --output-directory src/imcflow/data

writes `digits_cnn.onnx` and `digits_test.npz` (the held-out images, their labels, and the logits of the network as
onnxruntime computes them). Takes about two minutes on one core. The network:

    ui5 image 1x8x8 - conv 16 - conv 16 - max pool - conv 32 - (conv 32 + identity) - max pool - fully connected 10

Each convolution is 3x3 with ternary weights, followed by batch normalisation (kept in the file) and a quantiser. The
quantisers are QONNX `Quant` nodes; weights are stored as scale * {-1, 0, +1} in float.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

SEED = 20
TEST_IMAGES = 450
EPOCHS = 200
BATCH = 64
PEAK_LEARNING_RATE = 4e-3
WEIGHT_DECAY = 1e-4
REQUIRED_ACCURACY = 0.96
INPUT_BITS = 5  # the images hold 0..16
ACTIVATION_BITS = 4
QONNX_DOMAIN = "qonnx.custom_op.general"

# Ternary weight networks (Li, Zhang and Liu, 2016): weights below this share of the mean magnitude become 0.
TERNARY_THRESHOLD = 0.7


def ternarise(weight: Tensor) -> Tensor:
    """Return scale * {-1, 0, +1} with one scale per layer: the mean magnitude of the weights that stay."""
    magnitude = weight.abs()
    kept = magnitude > TERNARY_THRESHOLD * magnitude.mean()
    scale = magnitude[kept].mean()
    return scale * torch.sign(weight) * kept


class StraightThrough(torch.autograd.Function):
    """Forward: the second argument. Backward: the gradient goes to the first, as if nothing had happened."""

    @staticmethod
    def forward(ctx: object, value: Tensor, replacement: Tensor) -> Tensor:
        """Return `replacement`."""
        return replacement

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> tuple[Tensor, None]:
        """Pass the gradient to `value`."""
        return gradients[0], None


class TernaryConv(nn.Conv2d):
    """3x3 convolution with ternary weights and no bias."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, kernel_size=3, padding=1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve with the ternarised weight; the gradient reaches the float weight."""
        weight = StraightThrough.apply(self.weight, ternarise(self.weight))
        return functional.conv2d(input, weight, padding=1)


class TernaryLinear(nn.Linear):
    """Fully connected layer with ternary weights."""

    def forward(self, input: Tensor) -> Tensor:
        """Multiply with the ternarised weight; the gradient reaches the float weight."""
        weight = StraightThrough.apply(self.weight, ternarise(self.weight))
        return functional.linear(input, weight, self.bias)


class Quantiser(nn.Module):
    """Uniform quantiser with a learned step: clip(round(x / step), low, high) * step, rounding half to even.

    The gradient of the step is that of learned step size quantisation (Esser et al., 2020).
    """

    def __init__(self, bits: int, *, signed: bool, step: nn.Parameter | None = None) -> None:
        super().__init__()
        self.bits = bits
        self.signed = signed
        self.low = -(2 ** (bits - 1)) if signed else 0
        self.high = self.low + 2**bits - 1
        self.step = step if step is not None else nn.Parameter(torch.tensor(0.25))

    def forward(self, x: Tensor) -> Tensor:
        """Quantise `x`, any shape."""
        ratio = x / self.step
        clipped = ratio.clamp(self.low, self.high)
        return StraightThrough.apply(clipped, clipped.round()) * self.step


class DigitsNet(nn.Module):
    """The network of the module's docstring; input float images 0..16, output logits."""

    def __init__(self) -> None:
        super().__init__()
        widths = [(1, 16), (16, 16), (16, 32), (32, 32)]
        self.convs = nn.ModuleList(TernaryConv(*width) for width in widths)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _, channels in widths)
        quantisers = [Quantiser(ACTIVATION_BITS, signed=False) for _ in range(3)]
        # Both operands of the residual addition have the same step, so it is an addition of integers.
        quantisers.append(Quantiser(ACTIVATION_BITS, signed=True, step=quantisers[2].step))
        self.quantisers = nn.ModuleList(quantisers)
        self.quantise_sum = Quantiser(ACTIVATION_BITS, signed=False)
        self.classifier = TernaryLinear(32 * 2 * 2, 10)

    def layer(self, index: int, x: Tensor) -> Tensor:
        """Convolution, batch normalisation and quantiser number `index`."""
        return self.quantisers[index](self.norms[index](self.convs[index](x)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits [n, 10] of images [n, 1, 8, 8]."""
        x = self.layer(1, self.layer(0, x))
        x = self.layer(2, functional.max_pool2d(x, 2))
        x = self.quantise_sum(x + self.layer(3, x))
        x = functional.max_pool2d(x, 2)
        return self.classifier(x.flatten(1))


@dataclass(frozen=True)
class Digits:
    """Images uint8 [n, 1, 8, 8] with values 0..16, labels int64 [n]."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load() -> Digits:
    """Split the 1797 digits, the same share of each class on both sides."""
    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[:, None]
    train_x, test_x, train_y, test_y = train_test_split(
        images, bunch.target, test_size=TEST_IMAGES, stratify=bunch.target, random_state=SEED
    )
    return Digits(train_x, train_y, test_x, test_y)


def shifted(images: Tensor) -> Tensor:
    """Return the batch moved by at most one pixel in each direction."""
    down, right = torch.randint(0, 3, (2,)).tolist()
    return functional.pad(images, (1, 1, 1, 1))[:, :, down : down + 8, right : right + 8]


def train(digits: Digits) -> DigitsNet:
    """Train from a fixed seed; the held-out images are not looked at."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    images = torch.from_numpy(digits.train_images).float()
    labels = torch.from_numpy(digits.train_labels)
    net = DigitsNet()
    optimiser = torch.optim.AdamW(net.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LEARNING_RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        for batch in torch.randperm(len(images))[: len(images) // BATCH * BATCH].split(BATCH):
            optimiser.zero_grad()
            loss = functional.cross_entropy(net(shifted(images[batch])), labels[batch], label_smoothing=0.05)
            loss.backward()
            optimiser.step()
            schedule.step()
        if epoch % 20 == 19:
            sys.stderr.write(f"epoch {epoch + 1}: loss {loss.item():.4f}\n")
    return net.eval()


class GraphWriter:
    """Collects ONNX nodes and initialisers; `plain` spells out each Quant node in standard ops for onnxruntime."""

    def __init__(self, *, plain: bool) -> None:
        self.plain = plain
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: Tensor | float) -> str:
        """Add a float32 initialiser."""
        array = np.asarray(value.detach() if isinstance(value, Tensor) else value, np.float32)
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def node(self, op: str, name: str, inputs: list[str], domain: str = "", **attributes: object) -> str:
        """Add a node with one output, which is called like the node."""
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def quant(self, name: str, x: str, bits: int, step: Tensor | float, *, signed: bool) -> str:
        """Add a quantiser with zero point 0 that rounds half to even."""
        scale = self.constant(f"{name}.scale", step)
        if not self.plain:
            inputs = [x, scale, self.constant("zero", 0.0), self.constant(f"bits{bits}", bits)]
            return self.node("Quant", name, inputs, QONNX_DOMAIN, signed=int(signed), narrow=0, rounding_mode="ROUND")
        low = -(2 ** (bits - 1)) if signed else 0
        ratio = self.node("Round", f"{name}.round", [self.node("Div", f"{name}.div", [x, scale])])
        bounds = [self.constant(f"{name}.low", low), self.constant(f"{name}.high", low + 2**bits - 1)]
        return self.node("Mul", name, [self.node("Clip", f"{name}.clip", [ratio, *bounds]), scale])

    def model(self, output: str) -> onnx.ModelProto:
        """Return the network from uint8 images [N, 1, 8, 8] to the float tensor `output` [N, 10]."""
        graph = helper.make_graph(
            self.nodes,
            "digits_cnn",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 1, 8, 8])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", 10])],
            list(self.constants.values()),
        )
        opsets = [helper.make_opsetid("", 17)]
        if not self.plain:
            opsets.append(helper.make_opsetid(QONNX_DOMAIN, 1))
        return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="imcflow train_digits")


def export(net: DigitsNet, *, plain: bool) -> onnx.ModelProto:
    """Write the trained network as ONNX, with QONNX quantisers or, for onnxruntime, in standard ops only."""
    writer = GraphWriter(plain=plain)

    def layer(index: int, x: str) -> str:
        conv, norm, quantiser = net.convs[index], net.norms[index], net.quantisers[index]
        label = index + 1
        weight = writer.constant(f"conv{label}.weight", ternarise(conv.weight))
        x = writer.node("Conv", f"conv{label}", [x, weight], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        statistics = [norm.weight, norm.bias, norm.running_mean, norm.running_var]
        names = [f"norm{label}.{field}" for field in ("gamma", "beta", "mean", "variance")]
        parameters = [writer.constant(name, value) for name, value in zip(names, statistics, strict=True)]
        x = writer.node("BatchNormalization", f"norm{label}", [x, *parameters], epsilon=norm.eps)
        return writer.quant(f"quant{label}", x, quantiser.bits, quantiser.step, signed=quantiser.signed)

    def pool(name: str, x: str) -> str:
        return writer.node("MaxPool", name, [x], kernel_shape=[2, 2], strides=[2, 2])

    x = writer.node("Cast", "cast", ["image"], to=TensorProto.FLOAT)
    x = writer.quant("quant0", x, INPUT_BITS, 1.0, signed=False)
    x = pool("pool1", layer(1, layer(0, x)))
    x = layer(2, x)
    x = writer.node("Add", "residual", [x, layer(3, x)])
    x = writer.quant("quant5", x, net.quantise_sum.bits, net.quantise_sum.step, signed=False)
    x = writer.node("Flatten", "flatten", [pool("pool2", x)], axis=1)
    weight = writer.constant("classifier.weight", ternarise(net.classifier.weight))
    bias = writer.constant("classifier.bias", net.classifier.bias)
    return writer.model(writer.node("Gemm", "logits", [x, weight, bias], transB=1))


def onnxruntime_logits(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    """Run `model` without graph optimisations: float32, op by op."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return np.asarray(session.run(None, {"image": images})[0])


def main() -> int:
    """Train, check the export against torch, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output-directory", type=Path, required=True)
    directory: Path = parser.parse_args().output_directory

    digits = load()
    net = train(digits)
    with torch.no_grad():
        torch_logits = net(torch.from_numpy(digits.test_images).float()).numpy()
    logits = onnxruntime_logits(export(net, plain=True), digits.test_images)
    accuracy = float(np.mean(logits.argmax(1) == digits.test_labels))
    difference = float(np.abs(logits - torch_logits).max())
    zeros = {f"conv{i + 1}": float((ternarise(c.weight) == 0).float().mean()) for i, c in enumerate(net.convs)}
    sys.stderr.write(f"accuracy {accuracy:.4f}, zero weights {zeros}, largest difference to torch {difference:.1e}\n")
    if difference > 1e-4:
        sys.stderr.write("the exported network differs from the trained one\n")
        return 1
    if accuracy < REQUIRED_ACCURACY:
        sys.stderr.write(f"accuracy is below {REQUIRED_ACCURACY}\n")
        return 1

    directory.mkdir(parents=True, exist_ok=True)
    onnx.save(export(net, plain=False), directory / "digits_cnn.onnx")
    np.savez_compressed(
        directory / "digits_test.npz",
        image=digits.test_images,
        label=digits.test_labels.astype(np.uint8),
        logits=logits,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
