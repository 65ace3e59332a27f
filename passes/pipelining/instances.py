"""Random small pipelines, for tests and measurements; every seed gives the same one."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from imcflow.passes.pipelining.networks import NetworkBuilder
from imcflow.passes.pipelining.plan import PipelinePlan, simple_plan


def small_pipeline(random: Random, *, copies: int = 1, input_rate: int | None = None) -> PipelinePlan:
    """Three or four layers on maps of 3x3 or 4x4 pixels, chains and residual blocks (sheet, section 4).

    Args:
        random: source of all choices.
        copies: most copies of a layer.
        input_rate: of the plan.
    """
    size = random.choice([3, 4])
    builder = NetworkBuilder("small", 2, size, size)
    last, left = 0, random.choice([3, 4])
    while left:
        if left >= 2 and random.random() < 0.4:
            last = builder.block(f"block{left}", last, 2, 1)
            left -= 2
        else:
            kernel = random.choice([1, 3, 3])
            last = builder.convolution(f"conv{left}", last, 2, kernel, random.choice([1, 1, 1, 2]), kernel // 2)
            left -= 1
    network = builder.build()
    count = len(network.stages)
    return replace(
        simple_plan(network, input_rate=input_rate),
        copies=(1, *(random.randint(1, copies) for _ in range(count - 1))),
        step_ticks=(1, *(random.randint(1, 3) for _ in range(count - 1))),
    )
