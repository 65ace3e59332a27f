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
