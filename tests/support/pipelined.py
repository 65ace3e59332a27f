"""Pipelined programs for tests: machines of analysed plans, and small compiled networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import imcflow
from imcflow.passes.pipelining.plan import PipelinePlan
from imcflow.runtime.pipeline.dataflow import Channel, Core, Dataflow, Prediction
from imcflow.runtime.pipeline.geometry import ChannelTables, channel_tables
from imcflow.runtime.pipeline.isa import CoreBody, encode_stream
from imcflow.runtime.pipeline.machine import Machine
from imcflow.runtime.program import Program

TARGET = "dimc-256x256-mesh"

NETWORK = """
func.func @main(%x: tensor<?x2x6x5xsi4> {imc.name = "x"}) -> (tensor<?x3xsi20> {imc.name = "y"}) {
  %w0 = imc.constant dense<WEIGHTS0> : tensor<4x2x3x3xi8> as tensor<4x2x3x3xsi2>
  %w1 = imc.constant dense<WEIGHTS1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi2>
  %w2 = imc.constant dense<WEIGHTS2> : tensor<3x16xi8> as tensor<3x16xsi2>
  %0 = imc.conv2d %x, %w0 {pads = array<i64: 1, 1, 1, 1>, pad_value = 1 : i64}
    : (tensor<?x2x6x5xsi4>, tensor<4x2x3x3xsi2>) -> tensor<?x4x6x5xsi10> loc("first")
  %1 = imc.clamp %0 {low = -8 : i64, high = 7 : i64} : (tensor<?x4x6x5xsi10>) -> tensor<?x4x6x5xsi4> loc("clamp")
  %2 = imc.conv2d %1, %w1 {pads = array<i64: 1, 1, 1, 1>}
    : (tensor<?x4x6x5xsi4>, tensor<4x4x3x3xsi2>) -> tensor<?x4x6x5xsi10> loc("second")
  %3 = imc.add %2, %1 : (tensor<?x4x6x5xsi10>, tensor<?x4x6x5xsi4>) -> tensor<?x4x6x5xsi11> loc("residual")
  %4 = imc.clamp %3 {low = -8 : i64, high = 7 : i64} : (tensor<?x4x6x5xsi11>) -> tensor<?x4x6x5xsi4> loc("clamp2")
  %5 = imc.max_pool %4 {kernel = array<i64: 3, 3>, strides = array<i64: 3, 2>, pads = array<i64: 0, 1, 0, 0>}
    : (tensor<?x4x6x5xsi4>) -> tensor<?x4x2x2xsi4> loc("pool")
  %6 = imc.reshape %5 : (tensor<?x4x2x2xsi4>) -> tensor<?x16xsi4> loc("flatten")
  %7 = imc.gemm %6, %w2 : (tensor<?x16xsi4>, tensor<3x16xsi2>) -> tensor<?x3xsi20> loc("fc")
  func.return %7 : tensor<?x3xsi20>
}
"""
"""Two convolutions with a bypass, a pooling with padding, a flatten of 2 x 2 pixels, a matrix product."""


def _ternary(*shape: int) -> str:
    """Weights as nested lists."""
    if not shape:
        raise ValueError("needs a shape")
    state = [sum(shape)]

    def nested(sizes: tuple[int, ...]) -> str:
        if not sizes:
            state[0] = (state[0] * 75 + 74) % 65537
            return str(state[0] % 3 - 1)
        return "[" + ", ".join(nested(sizes[1:]) for _ in range(sizes[0])) + "]"

    return nested(shape)


def network_text() -> str:
    """The network with its weights."""
    text = NETWORK
    for number, shape in enumerate([(4, 2, 3, 3), (4, 4, 3, 3), (3, 16)]):
        text = text.replace(f"WEIGHTS{number}", _ternary(*shape))
    return text


def pipeline_passes(replicate: str = "", pipeline: str = "") -> str:
    """The passes from the network level to a pipelined program."""
    names = ["imc-assign-units", "imc-map-crossbar"]
    passes = [f"{name}{{target={TARGET}}}" for name in names]
    passes.append(f"imc-replicate-layers{{target={TARGET} {replicate}}}")
    passes.append(f"imc-pipeline-layers{{target={TARGET} {pipeline}}}")
    passes += [f"{name}{{target={TARGET}}}" for name in ("imc-verify-mapped", "imc-emit-program")]
    return ",".join([*passes, "imc-verify-program"])


def small_program(folder: Path, replicate: str = "interval=30", pipeline: str = "") -> Program:
    """The compiled network."""
    path = folder / "network.mlir"
    path.write_text(network_text())
    return imcflow.compile(path, TARGET, pipeline=pipeline_passes(replicate, pipeline)).program


def with_slots(program: Program, channel: int, slots: int) -> Program:
    """The program with another ring."""
    dataflow = program.dataflow
    assert dataflow is not None
    channels = list(dataflow.channels)
    channels[channel] = replace(channels[channel], slots=slots)
    return replace(program, dataflow=replace(dataflow, channels=tuple(channels)))


def machine_of_plan(plan: PipelinePlan) -> Machine:
    """The tick machine of an analysed plan with one pixel per step and a capacity for every edge."""
    channels: list[Channel] = []
    tables: dict[int, ChannelTables] = {}
    stages = plan.network.stages
    for key in plan.edges():
        stage, producer = stages[key[0]], plan.producer(key)
        edge = stage.edges[key[1]]
        axes = (edge.rows, edge.columns)
        channel = Channel(
            0,
            producer,
            key[0],
            plan.capacities[key],
            (axes[0].size, axes[1].size),
            (axes[0].stride, axes[1].stride),
            (axes[0].pad, axes[1].pad),
            plan.handshake,
            plan.link_ticks.get(key, 0),
        )
        source = stages[producer]
        tables[len(channels)] = channel_tables(
            channel, (source.height, source.width), (stage.height, stage.width), columns_first=False
        )
        channels.append(channel)
    bodies = tuple(
        CoreBody(
            stage.height,
            stage.width,
            tuple(number for number, channel in enumerate(channels) if channel.consumer == index),
            (),
            tuple(number for number, channel in enumerate(channels) if channel.producer == index),
        )
        for index, stage in enumerate(stages)
    )
    cores = tuple(
        Core(stage.name, (), 0, plan.copies[index], plan.step_ticks[index], encode_stream(bodies[index]))
        for index, stage in enumerate(stages)
    )
    return Machine(Dataflow(1, 1, False, cores, tuple(channels), Prediction(1, 0, 0)), bodies, tables)
