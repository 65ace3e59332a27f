"""Crossbar targets: analog and digital in-memory-computing macros and what they cost.

The model follows the sheet `imc_cost_model.md` (Houshmand, Sun, Verhelst, arXiv 2305.18335 and 2405.14978) equation by
equation and keeps its symbols. It is plain dataclasses and functions without dependencies; only `models`, which reads
the YAML descriptions of the kinds `aimc` and `dimc`, needs pydantic.

macro    `cells`, `converters`, `macro` (counts), `peak` (energy per cycle, clock, area), `datapath` (published chips)
machine  `memory` (levels and ports), `target`
work     `layers`, `workloads` (MLPerf Tiny)
mapping  `mapping`, `spatial` and `orders` (candidates), `search`, `residency` and `resident` (what stays on chip)
cost     `array_energy`, `flow` (transfers), `latency`, `evaluation`, `cost` (`layer_cost`, `network_cost`), `report`

`conventions` holds every choice in which released tools differ: `PHYSICAL` is the default, `ZIGZAG_3_9` and `ICCAD23`
reproduce the figures of two of them.

```python
from imcflow.targets import load_target
from imcflow.targets.crossbar.cost import network_cost
from imcflow.targets.crossbar.workloads import resnet8

cost = network_cost(load_target("dimc-256x64").crossbar_target(), resnet8())
print(cost.table())
```
"""
