"""Damaged models: whatever a file holds, the importer answers with a module or with one line."""

from __future__ import annotations

import random
from importlib.resources import files

import pytest
from onnx import AttributeProto, ModelProto, NodeProto
from onnx_text import text_model

from imcflow.errors import ModelError
from imcflow.lowering.onnx.importer import import_bytes

GRAPH = """net (float[N,4,6,6] x, int8[N,3,8] v) => (float[N,10] y, float[N,3,4] u)
<int64[1] axes = {2}, int64[2] target = {0,-1}, int64[4] starts = {0,0,1,0}, int64[4] ends = {9,9,5,9},
 float s = {0.5}, float z = {0}, float b = {2}, float[4,4,1,1] w = {1,0,0,-1,0,1,0,1,1,1,1,1,0,0,0,1},
 float[4] p = {1,2,3,4}, float[10,36] g = {1}, int8[3] zp = {1,2,3}, float[3] sc = {1,2,3}> {
    wq = onnx.brevitas.Quant<signed=1, narrow=1, rounding_mode="FLOOR">(w, s, z, b)
    c = Conv<pads=[1,1,0,0], strides=[1,1], group=1>(x, wq, p)
    n = BatchNormalization<epsilon=0.001>(c, p, p, p, p)
    q = qonnx.custom_op.general.Quant<signed=0, narrow=0>(n, s, z, b)
    m = MaxPool<kernel_shape=[2,2], ceil_mode=1>(q)
    a = Slice(m, starts, ends)
    t = Transpose<perm=[0,2,3,1]>(a)
    k = Concat<axis=1>(t, t)
    r = Reshape(k, target)
    l = Softmax<axis=1>(r)
    shape = Shape(l)
    f = Reshape(l, shape)
    h, i = TopK<axis=1>(f, axes)
    y = Cast<to=1>(i)
    d = DequantizeLinear<axis=1>(v, sc, zp)
    e = Unsqueeze(d, axes)
    o = Squeeze(e, axes)
    p0, p1 = Split<axis=2>(o)
    u = ReduceMean<axes=[2], keepdims=0>(p0)
}"""

OPS = ("Gemm", "MatMul", "Pad", "Gather", "Flatten", "DepthToSpace", "LayerNormalization", "Add", "Clip", "QLinearConv")
INTEGERS = (0, -1, 1, 2, 3, 1000, 1 << 40, -(1 << 62))


def mutate_attribute(node: NodeProto, choice: random.Random) -> None:
    if not node.attribute:
        return
    attribute = choice.choice(node.attribute)
    if attribute.type == AttributeProto.INTS and attribute.ints:
        attribute.ints[choice.randrange(len(attribute.ints))] = choice.choice(INTEGERS)
    elif attribute.type == AttributeProto.INT:
        attribute.i = choice.choice(INTEGERS)
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = choice.choice((0.0, -1.0, float("nan"), float("inf"), 1e30))
    elif choice.random() < 0.5:
        attribute.s = b"line\nbreak\xff"
    else:
        node.attribute.remove(attribute)


def mutate(model: ModelProto, choice: random.Random) -> None:
    node = choice.choice(model.graph.node)
    tensor = choice.choice(model.graph.initializer)
    match choice.randrange(6):
        case 0:
            mutate_attribute(node, choice)
        case 1:
            node.op_type = choice.choice((*OPS, *(other.op_type for other in model.graph.node)))
        case 2 if node.input:
            names = ["", *(other.output[0] for other in model.graph.node), tensor.name]
            node.input[choice.randrange(len(node.input))] = choice.choice(names)
        case 3 if tensor.dims:
            tensor.dims[choice.randrange(len(tensor.dims))] = choice.choice(INTEGERS)
        case 4:
            tensor.data_type = choice.choice((1, 2, 6, 7, 9, 10, 11, 16, 99))
        case _ if node.input:
            del node.input[choice.randrange(len(node.input))]
        case _:
            mutate_attribute(node, choice)


def answer(data: bytes) -> str:
    try:
        return str(import_bytes(data, "mutated.onnx"))[:14]
    except ModelError as error:
        return "several lines" if "\n" in str(error) else "refused"


@pytest.mark.parametrize("seed", range(4))
def test_mutated_graphs(seed: int) -> None:
    choice = random.Random(seed)
    original = text_model(GRAPH, opset=13)
    answers: set[str] = set()
    for _ in range(150):
        model = ModelProto()
        model.CopyFrom(original)
        for _ in range(choice.randint(1, 2)):
            mutate(model, choice)
        answers.add(answer(model.SerializeToString()))
    assert answers <= {"refused", "builtin.module"}
    assert "refused" in answers


def test_mutated_bytes() -> None:
    choice = random.Random(0)
    original = (files("imcflow") / "data" / "digits_cnn.onnx").read_bytes()
    answers: set[str] = set()
    for _ in range(200):
        data = bytearray(original)
        for _ in range(3):
            data[choice.randrange(len(data) if choice.random() < 0.3 else 600)] = choice.randrange(256)
        answers.add(answer(bytes(data)))
    assert answers <= {"refused", "builtin.module"}
    assert "refused" in answers
