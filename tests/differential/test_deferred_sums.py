"""`imc-defer-sums` keeps every integer of layers behind global sums, whatever their weights, biases and maps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mlir_text import apply, parsed, run

UNITS = "imc-assign-units{target=dimc-256x256-mesh}"
DEFER = "imc-defer-sums{target=dimc-256x256-mesh}"


def text(weights: np.ndarray, bias: np.ndarray | None, size: tuple[int, int], element: str, *, gemm: bool) -> str:
    """A global sum, and a layer of constant weights `[M, C]` behind it."""
    outputs, channels = weights.shape
    axes = "" if gemm else "x1x1"
    shaped = weights if gemm else weights[:, :, None, None]
    source = f"tensor<?x{channels}x{size[0]}x{size[1]}x{element}>"
    summed, flat = f"tensor<?x{channels}x1x1xsi20>", f"tensor<?x{channels}{axes}xsi20>"
    result = f"tensor<?x{outputs}{axes}xsi40>"
    kernels = f"tensor<{outputs}x{channels}{axes}xsi8>"
    lines = [
        f'func.func @main(%x: {source} {{imc.name = "x"}}) -> ({result} {{imc.name = "y"}}) {{',
        f"  %w = imc.constant dense<{shaped.tolist()}> : {kernels.replace('xsi8', 'xi8')} as {kernels}",
        f"  %s = imc.sum_pool %x {{kernel = array<i64: {size[0]}, {size[1]}>}} : ({source}) -> {summed}",
        f"  %v = imc.reshape %s : ({summed}) -> {flat}",
    ]
    operands, types = "%v, %w", f"{flat}, {kernels}"
    if bias is not None:
        lines.append(f"  %b = imc.constant dense<{bias.tolist()}> : tensor<{outputs}xi16> as tensor<{outputs}xsi12>")
        operands, types = f"{operands} bias %b", f"{types}, tensor<{outputs}xsi12>"
    name = "gemm" if gemm else "conv2d"
    return "\n".join(
        [*lines, f"  %y = imc.{name} {operands} : ({types}) -> {result}", f"  func.return %y : {result}", "}"]
    )


@given(data=st.data())
def test_no_integer_changes(data: st.DataObject):
    outputs, channels = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    size = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    weights = random.integers(-128, 128, (outputs, channels))
    bias = random.integers(-2048, 2048, outputs) if data.draw(st.booleans()) else None
    element, low, high = data.draw(st.sampled_from([("ui4", 0, 15), ("si8", -128, 127), ("si9", -256, 255)]))
    module = parsed(text(weights, bias, size, element, gemm=data.draw(st.booleans())))
    images = random.integers(low, high + 1, (3, channels, *size))
    (expected,) = run(module, images)
    apply(module, UNITS)
    assert "imc.conv2d %x" not in str(module)
    apply(module, DEFER)
    assert ("imc.conv2d %x" in str(module)) == (element != "si9")  # nine bits are too many for one pixel already
    (found,) = run(module, images)
    np.testing.assert_array_equal(found, expected)
