// RUN: imc-opt %s -p 'imc-verify-mapped{target="%S/Inputs/small_macros.yaml"}' --split-input-file --verify-diagnostics | filecheck %s

// On targets with one offset per layer and macro, tiles of a layer start at the same row.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): tile 1 starts at row 3 of macro 0, an earlier one at 0; the target has one row per layer and macro
func.func @main(%x: tensor<?x5xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<1> : tensor<2x5xi8> as tensor<2x5xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi3> {tiles = #imc.tiles<"rows 3 columns 2 SIGNED", "row 3 element 3 rows 2 columns 2 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// And at the same column.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): tile 1 starts at column 2 of macro 0, an earlier one at 0; the target has one column per layer and macro
func.func @main(%x: tensor<?x5xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<1> : tensor<2x5xi8> as tensor<2x5xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi3> {tiles = #imc.tiles<"rows 3 columns 2 SIGNED", "column 2 element 3 rows 2 columns 2 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Every macro has an offset of its own, and groups may lie side by side.
// CHECK: tiles = #imc.tiles<"rows 2 columns 1 SIGNED",
// CHECK-NEXT: "column 1 element 2 rows 2 output 1 columns 1 SIGNED",
// CHECK-NEXT: "macro 1 row 1 element 4 rows 2 output 2 columns 1 SIGNED">
func.func @main(%x: tensor<?x6x1x1xui3> {imc.name = "x"}) -> (tensor<?x3x1x1xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<1> : tensor<3x2x1x1xi8> as tensor<3x2x1x1xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x6x1x1xui3> weights %w : tensor<3x2x1x1xsi3> {tiles = #imc.tiles<"rows 2 columns 1 SIGNED", "column 1 element 2 rows 2 output 1 columns 1 SIGNED", "macro 1 row 1 element 4 rows 2 output 2 columns 1 SIGNED">, weight_bits = 3 : i64, groups = 3 : i64} -> tensor<?x3x1x1xsi8> loc("conv")
  func.return %0 : tensor<?x3x1x1xsi8>
}
