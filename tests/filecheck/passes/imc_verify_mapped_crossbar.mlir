// RUN: imc-opt %s -p 'imc-verify-mapped{target=dimc-256x64}' --split-input-file --verify-diagnostics | filecheck %s

// A layer in one tile is accepted.
// CHECK: tiles = #imc.tiles<"rows 3 columns 2 SIGNED">
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"rows 3 columns 2 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Macros must exist.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): tile 0: macro 1 exceeds the target's 0
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"macro 1 rows 3 columns 2 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Slots must exist.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): tile 0: slot 2 exceeds the target's 0
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"slot 2 rows 3 columns 2 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Cell words are short.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): weight_bits 9, a cell word has 8
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"rows 3 columns 2 SIGNED">, weight_bits = 9 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Every row is held.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): the tiles of output 0 do not add up to the weights
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"rows 2 columns 2 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// No row is held twice.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): the tiles of output 0 do not add up to the weights
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"rows 3 columns 2 SIGNED", "element 1 rows 2 columns 2 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Columns come in order.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): tile 0 begins at output 1, expected 0
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"output 1 rows 3 columns 1 SIGNED", "rows 3 columns 1 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Row blocks have the same columns.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): tiles of output 0 differ in their columns
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"rows 2 columns 2 SIGNED", "element 2 rows 1 columns 1 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Every channel is held.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): tiles cover 1 of 2 output channels
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"rows 3 columns 1 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Layers of the crossbar must be mapped.
// CHECK: imc-verify-mapped: node 'fc' (imc.gemm) is not mapped; run imc-map-crossbar
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.gemm %x, %w {imc.unit = #imc<unit crossbar>} : (tensor<?x3xui3>, tensor<2x3xsi3>) -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Tiles lie inside the macro with all their rows.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): tile 0: row 254 and 3 rows exceed the macro's 256
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"row 254 rows 3 columns 2 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// And with all their columns.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): tile 0: column 63 and 2 columns exceed the macro's 64
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"column 63 rows 3 columns 2 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Places begin at 0.
// CHECK: imc-verify-mapped: node 'fc' (imc.crossbar_linear): tile 0: column -1 exceeds the target's 63
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"column -1 rows 3 columns 2 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}

// -----

// Two layers share a plane without sharing cells.
// CHECK: tiles = #imc.tiles<"rows 3 columns 2 SIGNED RESIDENT">
// CHECK: tiles = #imc.tiles<"row 1 column 2 rows 2 columns 2 SIGNED RESIDENT">
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi16> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %v = imc.constant dense<[[1, -1], [0, 2]]> : tensor<2x2xi8> as tensor<2x2xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"rows 3 columns 2 SIGNED RESIDENT">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("first")
  %1 = imc.crossbar_linear %0 : tensor<?x2xsi8> weights %v : tensor<2x2xsi3> {tiles = #imc.tiles<"row 1 column 2 rows 2 columns 2 SIGNED RESIDENT">, weight_bits = 3 : i64} -> tensor<?x2xsi16> loc("second")
  func.return %1 : tensor<?x2xsi16>
}

// -----

// What is resident is not overwritten.
// CHECK: imc-verify-mapped: node 'first' (imc.crossbar_linear): tile 0 is resident, but another tile lies in its cells at row 0, column 0 of slot 0 of macro 0
func.func @main(%x: tensor<?x3xui3> {imc.name = "x"}) -> (tensor<?x2xsi16> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %v = imc.constant dense<[[1, -1], [0, 2]]> : tensor<2x2xi8> as tensor<2x2xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3xui3> weights %w : tensor<2x3xsi3> {tiles = #imc.tiles<"rows 3 columns 2 SIGNED RESIDENT">, weight_bits = 3 : i64} -> tensor<?x2xsi8> loc("first")
  %1 = imc.crossbar_linear %0 : tensor<?x2xsi8> weights %v : tensor<2x2xsi3> {tiles = #imc.tiles<"row 2 column 1 rows 2 columns 2 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2xsi16> loc("second")
  func.return %1 : tensor<?x2xsi16>
}

// -----

// Copies share the lanes of an image.
// CHECK: tiles = #imc.tiles<"rows 3 columns 2 lanes 9 SIGNED RESIDENT",
// CHECK-NEXT: "row 3 rows 3 columns 2 lane 9 lanes 7 SIGNED RESIDENT">
func.func @main(%x: tensor<?x3x4x4xui3> {imc.name = "x"}) -> (tensor<?x2x4x4xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1]], [[-1]], [[3]]], [[[0]], [[2]], [[-3]]]]> : tensor<2x3x1x1xi8> as tensor<2x3x1x1xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3x4x4xui3> weights %w : tensor<2x3x1x1xsi3> {tiles = #imc.tiles<"rows 3 columns 2 lanes 9 SIGNED RESIDENT", "row 3 rows 3 columns 2 lane 9 lanes 7 SIGNED RESIDENT">, weight_bits = 3 : i64} -> tensor<?x2x4x4xsi8> loc("conv")
  func.return %0 : tensor<?x2x4x4xsi8>
}

// -----

// All lanes, each once.
// CHECK: imc-verify-mapped: node 'conv' (imc.crossbar_linear): tiles of output 0 serve the lanes [(0, 9), (8, 16)], expected a partition of 16
func.func @main(%x: tensor<?x3x4x4xui3> {imc.name = "x"}) -> (tensor<?x2x4x4xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1]], [[-1]], [[3]]], [[[0]], [[2]], [[-3]]]]> : tensor<2x3x1x1xi8> as tensor<2x3x1x1xsi3>
  %0 = imc.crossbar_linear %x : tensor<?x3x4x4xui3> weights %w : tensor<2x3x1x1xsi3> {tiles = #imc.tiles<"rows 3 columns 2 lanes 9 SIGNED", "row 3 rows 3 columns 2 lane 8 lanes 8 SIGNED">, weight_bits = 3 : i64} -> tensor<?x2x4x4xsi8> loc("conv")
  func.return %0 : tensor<?x2x4x4xsi8>
}
