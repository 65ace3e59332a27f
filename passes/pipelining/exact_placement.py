"""Optimal placements on small fabrics by CP-SAT (extra `exact`): homomorphism or not, and least maximum link load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcflow.passes.pipelining.placement import Router
from imcflow.passes.pipelining.traffic import CoreGraph

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, CpSolver, IntVar

    from imcflow.passes.pipelining.fabrics import Fabric


def _assignment(model: CpModel, graph: CoreGraph, fabric: Fabric) -> list[list[IntVar]]:
    """One boolean per node and core, one core per node, at most one node per core."""
    cores = fabric.number_of_nodes()
    at = [[model.new_bool_var("") for _ in range(cores)] for _ in graph.names]
    for row in at:
        model.add_exactly_one(row)
    for core in range(cores):
        model.add_at_most_one(row[core] for row in at)
    return at


def has_homomorphism(graph: CoreGraph, fabric: Fabric, *, seconds: float = 20.0) -> bool | None:
    """Whether a placement exists in which every flow takes one link; None if the time was not enough."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    at = _assignment(model, graph, fabric)
    for flow in graph.flows:
        for core in fabric:
            beside = [at[flow.target][other] for other in fabric.neighbors(core)]
            model.add_bool_or([at[flow.source][core].negated(), *beside])
    solver = _solver(seconds)
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return True
    return False if status == cp_model.INFEASIBLE else None


def least_link_bits(graph: CoreGraph, fabric: Fabric, *, known: int, seconds: float = 20.0) -> tuple[int, int]:
    """Least maximum link load over all placements, with the same routes as `Router`, and the solver's lower bound.

    Args:
        graph: what is placed.
        fabric: where.
        known: maximum link load of some placement, bits per image.
        seconds: limit of the solver.
    """
    from ortools.sat.python import cp_model

    router = Router(graph, fabric)
    model = cp_model.CpModel()
    at = _assignment(model, graph, fabric)
    most = model.new_int_var(0, known, "most")
    terms: list[list[cp_model.LinearExprT]] = [[] for _ in router.links]
    for flow in graph.flows:
        for (source, target), route in router.routes.items():
            if not route:
                continue
            both = model.new_bool_var("")
            model.add_bool_or([both, at[flow.source][source].negated(), at[flow.target][target].negated()])
            for link in route:
                terms[link].append(flow.bits * both)
    for term in terms:
        model.add(sum(term) <= most)
    model.minimize(most)
    solver = _solver(seconds)
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return known, int(solver.best_objective_bound)
    return int(solver.objective_value), int(solver.best_objective_bound)


def _solver(seconds: float) -> CpSolver:
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    return solver
