// RUN: imc-opt %s -p 'imc-map-crossbar{target=dimc-64x16x8-dm32},imc-pack-weights{target=dimc-64x16x8-dm32},imc-verify-mapped{target=dimc-64x16x8-dm32}' | filecheck %s
// RUN: imc-opt %s -p 'imc-map-crossbar{target=dimc-64x16x8-dm32},imc-pack-weights{target=dimc-64x16x8-dm32 layout=stacked},imc-verify-mapped{target=dimc-64x16x8-dm32}' | filecheck %s --check-prefix=STACKED
// RUN: imc-opt %s -p 'imc-map-crossbar{target=dimc-64x16x8-dm32},imc-pack-weights{target=dimc-64x16x8-dm32 layout=spread},imc-verify-mapped{target=dimc-64x16x8-dm32}' | filecheck %s --check-prefix=SPREAD
// RUN: imc-opt %s -p 'imc-map-crossbar{target=dimc-64x16x8-dm32},imc-pack-weights{target=dimc-64x16x8-dm32 layout=reload},imc-verify-mapped{target=dimc-64x16x8-dm32}' | filecheck %s --check-prefix=RELOAD
// RUN: imc-opt %s -p 'imc-map-crossbar{target="%S/Inputs/small_macros.yaml"},imc-pack-weights{target="%S/Inputs/small_macros.yaml" exact=true},imc-verify-mapped{target="%S/Inputs/small_macros.yaml"}' | filecheck %s --check-prefix=TILE
// RUN: not imc-opt %s -p 'imc-map-crossbar{target="%S/Inputs/small_macros.yaml"},imc-pack-weights{target="%S/Inputs/small_macros.yaml" layout=stacked}' 2>&1 | filecheck %s --check-prefix=PLANES
// RUN: not imc-opt %s -p 'imc-map-crossbar{target="%S/Inputs/small_macros.yaml"},imc-pack-weights{target="%S/Inputs/small_macros.yaml" layout=spread}' 2>&1 | filecheck %s --check-prefix=MACROS
// RUN: not imc-opt %s -p 'imc-pack-weights{layout=pile}' 2>&1 | filecheck %s --check-prefix=LAYOUT
// RUN: not imc-opt %s -p 'imc-pack-weights{source=tape}' 2>&1 | filecheck %s --check-prefix=SOURCE
// RUN: not imc-opt %s -p 'imc-map-crossbar{target=dimc-256x64},imc-pack-weights{target=rtm-ap-256}' 2>&1 | filecheck %s --check-prefix=KIND
// PLANES: imc-pack-weights: packing: 3 planes per macro are needed (tile geometry, lower bound 1), the target has 1
// MACROS: imc-pack-weights: spread: 5 macros are needed, the target has 2
// LAYOUT: imc-pack-weights: layout=pile is unknown; choose auto, slice, tile, stacked, spread, reload
// SOURCE: imc-pack-weights: source=tape is unknown; choose dram, sram
// KIND: imc-pack-weights: target rtm-ap-256 is of kind ap, a crossbar (aimc, dimc) is needed

func.func @main(%x: tensor<?x3x4x4xui3> {imc.name = "x"}) -> (tensor<?x2xsi16> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, -1, 2]]], [[[3, 0, -4]]], [[[-1, 1, 1]]]]> : tensor<3x1x1x3xi8> as tensor<3x1x1x3xsi3>
  %v = imc.constant dense<1> : tensor<2x12xi8> as tensor<2x12xsi2>
  %0 = imc.conv2d %x, %w {groups = 3 : i64, strides = array<i64: 4, 1>, pads = array<i64: 0, 1, 0, 1>, imc.unit = #imc<unit crossbar>} : (tensor<?x3x4x4xui3>, tensor<3x1x1x3xsi3>) -> tensor<?x3x1x4xsi8> loc("depthwise")
  %1 = imc.reshape %0 {shape = array<i64: 12>, imc.unit = #imc<unit digital>} : (tensor<?x3x1x4xsi8>) -> tensor<?x12xsi8> loc("flat")
  %2 = imc.gemm %1, %v {imc.unit = #imc<unit crossbar>} : (tensor<?x12xsi8>, tensor<2x12xsi2>) -> tensor<?x2xsi16> loc("fc")
  func.return %2 : tensor<?x2xsi16>
}

// Three groups share a tile on its diagonal; four copies share the four lanes, and the second layer sits beside them.
// CHECK: imc.notes = ["weights: slice geometry on 16x64x8: 1 planes (lower bound 1; volume 1, dual feasible 1, conflict 1), 2 passes, 1.6% of the cells used", "weights: copies in idle macros: depthwise 4", "weights: EDP
// CHECK-SAME: relative to this: reload from DRAM {{[0-9.]+}}, reload from SRAM {{[0-9.]+}}, stacked planes {{[0-9.]+}}, spread over macros {{[0-9.]+}}"]
// CHECK: tiles = #imc.tiles<"rows 9 columns 3 lanes 1 SIGNED RESIDENT",
// CHECK-NEXT: "macro 1 rows 9 columns 3 lane 1 lanes 1 SIGNED RESIDENT",
// CHECK-NEXT: "macro 2 rows 9 columns 3 lane 2 lanes 1 SIGNED RESIDENT",
// CHECK-NEXT: "macro 3 rows 9 columns 3 lane 3 lanes 1 SIGNED RESIDENT">
// CHECK: tiles = #imc.tiles<"column 3 rows 12 columns 2 RESIDENT">

// STACKED: tiles = #imc.tiles<"rows 9 columns 3 SIGNED RESIDENT">
// STACKED: tiles = #imc.tiles<"slot 1 rows 12 columns 2 RESIDENT">

// SPREAD: tiles = #imc.tiles<"rows 9 columns 3 SIGNED RESIDENT">
// SPREAD: tiles = #imc.tiles<"macro 1 rows 12 columns 2 RESIDENT">

// RELOAD: imc.notes = ["weights: every layer is reloaded from dram at every inference",
// RELOAD: tiles = #imc.tiles<"rows 9 columns 3 lanes 1 SIGNED",
// RELOAD: tiles = #imc.tiles<"rows 12 columns 2">

// Tile geometry: one row per layer and macro; groups lie side by side.
// TILE: imc.notes = ["weights: tile geometry on 4x8x2: 1 planes (lower bound 1; volume 1, dual feasible 1, conflict 1), 9 passes, 51.6% of the cells used", "weights: 1 planes are optimal: the bound is met"
// TILE: tiles = #imc.tiles<"column 2 rows 3 columns 1 SIGNED RESIDENT",
// TILE-NEXT: "column 3 element 3 rows 3 output 1 columns 1 SIGNED RESIDENT",
// TILE-NEXT: "macro 1 column 2 element 6 rows 3 output 2 columns 1 SIGNED RESIDENT">
// TILE: tiles = #imc.tiles<"rows 6 columns 2 RESIDENT",
// TILE-NEXT: "macro 1 element 6 rows 6 columns 2 RESIDENT">
