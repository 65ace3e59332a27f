"""Every rule of the specification: one structured mutation each, refused with a message that names the place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from imcflow.errors import ProgramError
from imcflow.runtime.assembler import Geometry, assemble
from imcflow.runtime.isa import Opcode
from imcflow.runtime.loader import check_program
from imcflow.runtime.program import ApKernel, DigitalOp, Program, Region, TensorInfo

Mutation = Callable[[Program], Program]


def with_kernel(program: Program, **changes: Any) -> Program:
    kernel = dataclasses.replace(program.kernels[0], **changes)
    return dataclasses.replace(program, steps=(kernel, *program.steps[1:]))


def with_field(index: int, **values: int) -> Mutation:
    """Change fields of one instruction."""

    def mutate(program: Program) -> Program:
        instructions = program.kernels[0].instructions.copy()
        for name, value in values.items():
            instructions[index][name] = value
        return with_kernel(program, instructions=instructions)

    return mutate


def with_line(index: int, line: str) -> Mutation:
    """Replace one instruction by text; "" removes it."""

    def mutate(program: Program) -> Program:
        instructions = program.kernels[0].instructions
        new = assemble(line, Geometry.of(program.target))
        parts = (instructions[:index], new, instructions[index + 1 :])
        return with_kernel(program, instructions=np.concatenate(parts), regions=())

    return mutate


def with_window(number: int, **changes: Any) -> Mutation:
    def mutate(program: Program) -> Program:
        windows = list(program.kernels[0].inputs)
        windows[number] = dataclasses.replace(windows[number], **changes)
        return with_kernel(program, inputs=tuple(windows))

    return mutate


def with_output(number: int, **changes: Any) -> Mutation:
    def mutate(program: Program) -> Program:
        outputs = list(program.kernels[0].outputs)
        outputs[number] = dataclasses.replace(outputs[number], **changes)
        return with_kernel(program, outputs=tuple(outputs))

    return mutate


def with_tensor(number: int, **changes: Any) -> Mutation:
    def mutate(program: Program) -> Program:
        tensors = list(program.tensors)
        tensors[number] = dataclasses.replace(tensors[number], **changes)
        return dataclasses.replace(program, tensors=tuple(tensors))

    return mutate


def with_step(number: int, **changes: Any) -> Mutation:
    def mutate(program: Program) -> Program:
        steps = list(program.steps)
        step = steps[number]
        assert isinstance(step, DigitalOp)
        steps[number] = dataclasses.replace(step, **changes)
        return dataclasses.replace(program, steps=tuple(steps))

    return mutate


def with_target(**changes: Any) -> Mutation:
    return lambda program: dataclasses.replace(program, target=dataclasses.replace(program.target, **changes))


def with_port(side: str, number: int, **changes: Any) -> Mutation:
    def mutate(program: Program) -> Program:
        ports = list(getattr(program, side))
        ports[number] = dataclasses.replace(ports[number], **changes)
        return dataclasses.replace(program, **{side: tuple(ports)})

    return mutate


def with_kernel_fields(**changes: Any) -> Mutation:
    return lambda program: with_kernel(program, **changes)


def with_constants(**changes: Any) -> Mutation:
    return lambda program: dataclasses.replace(program, constants={**program.constants, **changes})


# Instruction numbers below count the lines of STREAM in conftest.py.
INSTRUCTION_RULES: list[tuple[str, Mutation, str]] = [
    ("opcode 0", with_field(2, opcode=0), r"instruction 2: opcode = 0, allowed: 1 to 15"),
    ("opcode 200", with_field(2, opcode=200), r"instruction 2: opcode = 200"),
    ("reserved", with_field(2, reserved=1), r"instruction 2 \(LOAD\): reserved = 1, allowed: 0"),
    ("foreign flag", with_field(2, flags=1), r"instruction 2 \(LOAD\): flags = 1"),
    ("unknown flag", with_field(6, flags=36), r"instruction 6 \(ADD\): flags = 36"),
    ("unused a", with_field(2, a=1), r"\(LOAD\): a = 1, allowed: 0, because"),
    ("unused b_bits", with_field(13, b_bits=1), r"\(RELU\): b_bits = 1, allowed: 0"),
    ("unused imm2", with_field(21, imm2=1), r"\(STORE\): imm2 = 1, allowed: 0"),
    ("unused port", with_field(6, port=1), r"\(ADD\): port = 1, allowed: 0"),
    ("no width", with_field(6, a_bits=0), r"\(ADD\): a_bits = 0, allowed: 1 to 62"),
    ("width 63", with_field(6, r_bits=63), r"\(ADD\): r_bits = 63, allowed: 1 to 62"),
    ("cell outside", with_field(2, r=2 * 16 * 32), r"\(LOAD\): r = 1024, allowed: 0 to 1023"),
    ("cell far outside", with_field(2, r=2**32 - 1), r"\(LOAD\): r = 4294967295, allowed"),
    ("carry outside", with_field(6, c=2000), r"\(ADD\): c = 2000, allowed: 0 to 1023"),
    ("across tracks", with_field(2, r=30), r"\(LOAD\): r = 30, allowed: a word that ends inside its track"),
    ("same track", with_field(6, b=10), r"\(ADD\): b = 10, allowed: a track other than that of a"),
    (
        "carry on the track of r",
        with_field(6, c=4 * 32 + 9),
        r"\(ADD\): c = 137, allowed: a track other than that of r",
    ),
    ("two arrays", with_field(6, c=16 * 32), r"\(ADD\): c = 512, allowed: the array of a"),
    ("no words", with_field(0, imm=0), r"\(CLEAR\): imm = 0, allowed: at least 1 word"),
    ("negative words", with_field(0, imm=-1), r"\(CLEAR\): imm = -1"),
    ("words beyond the array", with_field(0, imm=17), r"\(CLEAR\): imm = 17"),
    ("unequal max", with_field(19, a_bits=7), r"\(MAX_INTO\): a_bits = 7, allowed: equal to r_bits"),
    ("unequal move", with_field(15, a_bits=7), r"\(MOVE\): a_bits = 7, allowed: equal to r_bits"),
    ("threshold outside A", with_field(20, imm=128), r"\(STEP\): imm = 128, allowed: a value of the type of A"),
    ("input port", with_field(2, port=2), r"\(LOAD\): port = 2, allowed: less than 2"),
    ("element", with_field(2, imm=8), r"\(LOAD\): imm = 8, allowed: an element of the window"),
    ("negative element", with_field(2, imm=-1), r"\(LOAD\): imm = -1, allowed: an element"),
    ("narrow load", with_field(2, r_bits=3), r"\(LOAD\): r_bits = 3, allowed: at least the bits"),
    ("output port", with_field(21, port=2), r"\(STORE\): port = 2, allowed: less than 2"),
    ("output element", with_field(21, imm=2), r"\(STORE\): imm = 2, allowed: an element of the output"),
    ("wide store", with_field(23, a_bits=7), r"\(STORE\): a_bits = 7, allowed: a word that the output's type holds"),
    ("signed store", with_field(23, flags=1), r"\(STORE\): a_bits = 5, allowed: a word that the output's type holds"),
    ("step row", with_field(22, imm2=1), r"\(STORE_STEP\): imm2 = 1, allowed: a row of the step table, which has 1"),
    ("stored twice", with_field(21, imm=0), r"element 0 of output 0 is stored 2 times"),
    ("never stored", with_line(23, ""), r"element 0 of output 1 is stored 0 times"),
    ("unproven R", with_field(8, flags=4, r=12 * 32), r"8 \(NEG\): flag R_IS_ZERO promises zeros at cell r=384, not"),
    ("R used before", with_line(9, "copy r=4:0+8 a=5:0+6s rzero"), r"\(COPY\): flag R_IS_ZERO .* cell r=128"),
    ("unproven C", with_field(8, flags=12, c=15 * 32 + 3), r"\(NEG\): flag C_IS_ZERO promises zeros at cell c=483"),
    ("sum of nothing", with_line(10, "add_into r=12:0+8 a=6:0+6s c=13:0"), r"\(ADD_INTO\): reads 8 bits at cell r=384"),
    ("half a word", with_line(10, "add_into r=7:0+14 a=6:0+6s c=13:0"), r"reads 14 bits at cell r=224 before all"),
    ("unwritten source", with_line(9, "copy r=7:0+8 a=12:0+6s rzero"), r"\(COPY\): reads 6 bits at cell a=384"),
    (
        "unwritten B",
        with_line(6, "add r=4:0+5 a=0:0+4u b=12:0+4u c=15:0 rzero"),
        r"\(ADD\): reads 4 bits at cell b=384",
    ),
    ("unwritten STEP result", with_field(20, r=(16 + 5) * 32), r"\(STEP\): reads 2 bits at cell r=672"),
]


@pytest.mark.parametrize(
    ("mutate", "message"),
    [pytest.param(m, text, id=name) for name, m, text in INSTRUCTION_RULES],
)
def test_wrong_instructions_are_refused(mutate: Mutation, message: str, program: Program) -> None:
    with pytest.raises(ProgramError, match=message) as caught:
        check_program(mutate(program))
    assert caught.value.message.startswith("step 0 'conv'")


def test_a_full_addition_may_leave_a_carry(program: Program) -> None:
    # Instruction 12 relies on the carry of instruction 6, which is 0 only because its result has a spare bit.
    narrow = with_line(6, "add r=4:0+4 a=0:0+4u b=1:0+4u c=15:0 rzero")(program)
    narrow = with_line(7, "sub r=5:0+6 a=4:0+4u b=2:0+4u c=14:0 rzero")(narrow)
    narrow = with_line(11, "sub_from r=7:0+8 a=4:0+4u c=13:0")(narrow)
    with pytest.raises(ProgramError, match=r"12 \(ADD\): flag C_IS_ZERO promises zeros at cell c=480"):
        check_program(narrow)


def test_the_sample_uses_every_opcode_and_is_right(program: Program) -> None:
    assert set(program.kernels[0].instructions["opcode"].tolist()) == {int(opcode) for opcode in Opcode}
    check_program(program)


STRUCTURE_RULES: list[tuple[str, Mutation, str]] = [
    ("version", lambda p: dataclasses.replace(p, format_version=2), "format_version 2"),
    ("rows", with_target(rows=0), "target: rows must be"),
    ("domains", with_target(domains=1 << 20), "target: domains must be"),
    ("ports", with_target(ports=3), "target: ports 3 must divide domains"),
    ("no ports", with_target(ports=0), "target: ports 0 must divide domains"),
    ("kind", with_target(kind="aimc"), "kind 'aimc' has no associative processors"),
    ("arrays", with_target(array_count=1), "array_count 2, the target has 1"),
    ("tensor type", with_tensor(0, dtype="si63"), "tensor 0 'x': dtype: element type 'si63' is wider than 62"),
    ("tensor spelling", with_tensor(0, dtype="int4"), "'int4' is not an element type"),
    ("tensor size", with_tensor(0, shape=(1 << 14, 1 << 14)), "must have 1 to 67108864 elements"),
    ("tensor zero", with_tensor(0, shape=(0,)), "must have 1 to"),
    ("tensor name", with_tensor(1, name="x"), "tensor 1 'x': the name is taken"),
    ("port name", with_port("inputs", 1, name="input"), "input 1 'input': the name is taken"),
    ("port tensor", with_port("outputs", 0, tensor=99), "output 0 'logits': tensor 99 does not exist; there are 7"),
    ("port type", with_port("inputs", 0, model_dtype="complex64"), "model_dtype 'complex64' is none of"),
    ("no output", lambda p: dataclasses.replace(p, outputs=()), "program: has no output"),
    ("input twice", with_port("inputs", 1, tensor=0), "input 1 'bias': writes tensor 0, which is written already"),
    ("step name", with_step(1, name="conv"), "step 1 'conv': the name is taken"),
    ("step reads late", with_step(1, inputs=(5,)), "step 1 'flatten': reads tensor 5 before it is written"),
    ("step writes twice", with_step(1, output=0), "step 1 'flatten': writes tensor 0, which is written already"),
    ("step tensor", with_step(1, inputs=(70,)), "tensor 70 does not exist"),
    ("never written", lambda p: dataclasses.replace(p, steps=p.steps[:2]), "output 0 'logits': reads tensor 5 before"),
    ("op", with_step(1, op="launch"), "step 1 'flatten': op 'launch' is unknown"),
    ("attribute", with_step(1, attributes={"axis": 1}), "attribute 'axis' is unknown to reshape; allowed: none"),
    ("arity", with_step(2, inputs=(4,)), "gemm takes 2 to 3 operands, got 1"),
    ("constant", with_step(2, inputs=(4, "weights")), "constant 'weights' does not exist"),
    ("constant shape", with_constants(**{"fc.bias": np.zeros(4, np.int32)}), r"bias has shape \[4\], expected \[3\]"),
    ("mixed kinds", with_constants(**{"fc.bias": np.zeros(3, np.float32)}), "gemm takes one element kind"),
    ("constant type", with_constants(zero=np.zeros((), np.complex64)), "constant 'zero': type complex64"),
    ("wild boolean", with_constants(zero=np.frombuffer(b"\x02", np.bool_)), "a byte other than 0 and 1"),
    ("digital shape", with_tensor(5, shape=(4,)), r"gives shape \[3\] per image, its tensor has \[4\]"),
    ("reshape", with_tensor(4, shape=(9,)), "cannot reshape"),
    ("table type", with_kernel_fields(instructions=np.zeros(3, np.uint8)), "expected instruction rows"),
    ("no arrays", with_kernel_fields(array_count=0), "array_count 0 must be at least 1"),
    ("map", with_window(0, height=5), "2 x 5 x 4 does not fit tensor shape"),
    ("float map", with_tensor(0, dtype="f32"), "tensor 'x' is f32, arrays hold integers"),
    ("window type", with_window(0, bits=3), "loads as ui3, which does not hold the tensor's ui4"),
    ("window sign", with_window(0, signed=True), "loads as si4, which does not hold"),
    ("window bits", with_window(0, bits=63), "bits 63 must be 1 to 62"),
    ("stride", with_window(0, strides=(0, 1)), "must be at least 1"),
    ("pad", with_window(0, pads=(-1, 0, 0, 0)), "pads at least 0"),
    ("positions", with_window(0, strides=(1, 1)), "has 4 x 4 positions, the outputs have 2 x 2"),
    ("huge pads", with_window(0, pads=(60000, 60000, 60000, 60000)), "padded elements, at most"),
    ("pad value", with_window(0, pad_value=16), "pad_value 16 does not fit ui4"),
    ("output size", with_output(1, height=4, width=1), "4 x 1 does not fit tensor shape"),
    ("output type", with_output(0, bits=9), "bits 9, signed True differ from the tensor's si8"),
    ("step type", with_kernel_fields(step_low=np.zeros(1, np.int32)), "step_low must be I64"),
    ("step rows", with_kernel_fields(step_low=np.zeros(2, np.int64)), r"step_low must be I64 \[1\], got int64 \[2\]"),
    ("step flags", with_kernel_fields(step_descending=np.zeros(2, np.bool_)), r"must be BOOL \[1\]"),
    ("step bytes", with_kernel_fields(step_descending=np.frombuffer(b"\x07", np.bool_)), "a byte other than 0 and 1"),
    ("step order", with_kernel_fields(step_thresholds=np.array([[1, 0, 2]])), "row 0 does not ascend"),
    (
        "step range",
        with_kernel_fields(step_low=np.array([126])),
        r"\(STORE_STEP\): imm2 = 0, allowed: a step whose levels",
    ),
    (
        "regions",
        with_kernel_fields(regions=(Region(3, 5, ""), Region(4, 6, ""))),
        r"regions\[1\] 4 to 6 must start at 5",
    ),
    ("region end", with_kernel_fields(regions=(Region(3, 99, ""),)), r"regions\[0\] 3 to 99"),
]


@pytest.mark.parametrize(
    ("mutate", "message"),
    [pytest.param(m, text, id=name) for name, m, text in STRUCTURE_RULES],
)
def test_wrong_structure_is_refused(mutate: Mutation, message: str, program: Program) -> None:
    with pytest.raises(ProgramError, match=message):
        check_program(mutate(program))


def test_an_input_may_be_an_output(program: Program) -> None:
    check_program(with_port("outputs", 0, tensor=0)(program))


def test_a_word_may_be_read_in_parts(program: Program) -> None:
    check_program(with_line(9, "copy r=7:0+8 a=5:2+4s rzero")(program))


def test_a_vector_is_a_map_of_one_position(program: Program) -> None:
    kernel: ApKernel = program.kernels[0]
    target = Geometry.of(program.target)
    vector = dataclasses.replace(
        kernel,
        inputs=(dataclasses.replace(kernel.inputs[1], tensor=0, channels=3, height=1, width=1),),
        outputs=(dataclasses.replace(kernel.outputs[0], tensor=1, channels=1, height=1, width=1),),
        instructions=assemble("load r=0:0+4 in=0 element=2\nstore a=0:0+4s out=0 element=0", target),
        regions=(),
        step_thresholds=np.zeros((0, 0), np.int64),
        step_low=np.zeros(0, np.int64),
        step_descending=np.zeros(0, np.bool_),
    )
    check_program(
        dataclasses.replace(
            program,
            tensors=(TensorInfo("x", (3,), "si4"), TensorInfo("y", (1,), "si8")),
            inputs=program.inputs[:1],
            outputs=(dataclasses.replace(program.outputs[0], tensor=1),),
            steps=(vector,),
            constants={},
        )
    )
