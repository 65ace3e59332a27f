"""What imcflow adds to every xDSL tool: the `imc` dialect, the passes and the `imcp` output target.

The entry point `xdsl.universe` loads this module at every start of `xdsl-opt` and `imc-opt`, so it imports nothing
but xDSL's own registry; dialect, passes and targets are imported when they are first used. Adding a pass is one line
in `PASSES`; `tests/meta` checks that each line leads to a pass of that name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from xdsl.universe import Universe

if TYPE_CHECKING:
    from xdsl.ir import Dialect
    from xdsl.passes import ModulePass
    from xdsl.utils.target import Target

DIALECTS: dict[str, str] = {
    "imc": "imcflow.dialect.imc:Imc",
}
"""Dialect name -> "module:object"."""

PASSES: dict[str, str] = {
    "convert-linalg-to-imc": "imcflow.lowering.linalg.convert_linalg_to_imc:ConvertLinalgToImc",
    "imc-verify-network": "imcflow.passes.imc_verify_network:ImcVerifyNetwork",
    "imc-canonicalize": "imcflow.passes.imc_canonicalize:ImcCanonicalize",
    "imc-round-as-litert": "imcflow.passes.imc_round_as_litert:ImcRoundAsLitert",
    "imc-lift-scales": "imcflow.passes.imc_lift_scales:ImcLiftScales",
    "imc-split-scales": "imcflow.passes.imc_split_scales:ImcSplitScales",
    "imc-ternarize": "imcflow.passes.imc_ternarize:ImcTernarize",
    "imc-quantize-activations": "imcflow.passes.imc_quantize_activations:ImcQuantizeActivations",
    "imc-fold-sums": "imcflow.passes.imc_fold_sums:ImcFoldSums",
    "imc-fold-thresholds": "imcflow.passes.imc_fold_thresholds:ImcFoldThresholds",
    "imc-narrow-ranges": "imcflow.passes.imc_narrow_ranges:ImcNarrowRanges",
    "imc-verify-quantised": "imcflow.passes.imc_verify_quantised:ImcVerifyQuantised",
    "imc-unsign-activations": "imcflow.passes.imc_unsign_activations:ImcUnsignActivations",
    "imc-factor-weights": "imcflow.passes.imc_factor_weights:ImcFactorWeights",
    "imc-assign-units": "imcflow.passes.imc_assign_units:ImcAssignUnits",
    "imc-defer-sums": "imcflow.passes.imc_defer_sums:ImcDeferSums",
    "imc-unroll": "imcflow.passes.imc_unroll:ImcUnroll",
    "imc-reduce-arithmetic": "imcflow.passes.imc_reduce_arithmetic:ImcReduceArithmetic",
    "imc-map-crossbar": "imcflow.passes.imc_map_crossbar:ImcMapCrossbar",
    "imc-pack-weights": "imcflow.passes.imc_pack_weights:ImcPackWeights",
    "imc-replicate-layers": "imcflow.passes.imc_replicate_layers:ImcReplicateLayers",
    "imc-pipeline-layers": "imcflow.passes.imc_pipeline_layers:ImcPipelineLayers",
    "imc-infer-widths": "imcflow.passes.imc_infer_widths:ImcInferWidths",
    "imc-allocate-tracks": "imcflow.passes.imc_allocate_tracks:ImcAllocateTracks",
    "imc-verify-mapped": "imcflow.passes.imc_verify_mapped:ImcVerifyMapped",
    "imc-emit-program": "imcflow.passes.imc_emit_program:ImcEmitProgram",
    "imc-calibrate-converters": "imcflow.passes.imc_calibrate_converters:ImcCalibrateConverters",
    "imc-map-layers": "imcflow.passes.imc_map_layers:ImcMapLayers",
    "imc-overlap-layers": "imcflow.passes.imc_overlap_layers:ImcOverlapLayers",
    "imc-verify-scheduled": "imcflow.passes.imc_verify_scheduled:ImcVerifyScheduled",
    "imc-verify-program": "imcflow.passes.imc_verify_program:ImcVerifyProgram",
    "imc-unpack": "imcflow.passes.imc_unpack:ImcUnpack",
    "imc-pack": "imcflow.passes.imc_pack:ImcPack",
}
"""Pass name -> "module:class", in the order of the default pipeline."""

TARGETS: dict[str, str] = {
    "imcp": "imcflow.lowering.isa.imcp_target:ImcpTarget",
}
"""Output format of `imc-opt -t` -> "module:class"."""

FRONTENDS: dict[str, str] = {
    "onnx": "imcflow.lowering.onnx.importer:import_bytes",
    "onnxtxt": "imcflow.lowering.onnx.importer:import_bytes",
}
"""File name extension that `imc-opt` reads -> "module:function", called with the bytes and the name of the file."""


def load(path: str) -> Any:
    """Import what a "module:attribute" entry of the tables stands for."""
    module_name, _, attribute = path.partition(":")
    return getattr(import_module(module_name), attribute)


def _dialect_factory(path: str) -> Callable[[], Dialect]:
    return lambda: load(path)


def _pass_factory(path: str) -> Callable[[], type[ModulePass]]:
    return lambda: load(path)


def _target_factory(path: str) -> Callable[[], type[Target]]:
    return lambda: load(path)


IMC_UNIVERSE = Universe(
    all_dialects={name: _dialect_factory(path) for name, path in DIALECTS.items()},
    all_passes={name: _pass_factory(path) for name, path in PASSES.items()},
    all_targets={name: _target_factory(path) for name, path in TARGETS.items()},
)
