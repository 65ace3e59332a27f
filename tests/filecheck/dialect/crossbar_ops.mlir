// RUN: IMC_ROUNDTRIP

// CHECK-LABEL: func.func @linear
func.func @linear(%x: tensor<?x5xui3>, %w: tensor<2x5xsi9>, %b: tensor<2xsi4>, %t: tensor<1x3xsi8>, %d: tensor<2xui1>) {
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> bias %b : tensor<2xsi4> thresholds %t : tensor<1x3xsi8> descending %d : tensor<2xui1> {tiles = #imc.tiles<"rows 5 columns 2", "macro 1 slot 2 rows 5 columns 2 shift 8 SIGNED">, weight_bits = 8 : i64} -> tensor<?x2xui2>
  %1 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> {tiles = #imc.tiles<"rows 5 columns 2 POSITIVE", "rows 5 columns 2 NEGATIVE">, weight_bits = 8 : i64} -> tensor<?x2xsi16>
  func.return
}
// CHECK-NEXT: %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> bias %b : tensor<2xsi4> thresholds %t : tensor<1x3xsi8> descending %d : tensor<2xui1> {tiles = #imc.tiles<"rows 5 columns 2",
// CHECK-NEXT: "macro 1 slot 2 rows 5 columns 2 shift 8 SIGNED">, weight_bits = 8 : i64} -> tensor<?x2xui2>
// CHECK-NEXT: %1 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> {tiles = #imc.tiles<"rows 5 columns 2 POSITIVE",
// CHECK-NEXT: "rows 5 columns 2 NEGATIVE">, weight_bits = 8 : i64} -> tensor<?x2xsi16>

// CHECK-LABEL: func.func @kernel
func.func @kernel(%x: tensor<?x2xui3>) {
  %0 = imc.crossbar_kernel %x {instructions = #imc.tile_instructions<"LOAD rows 2 columns 1 WEIGHTS_SIGNED", "MULTIPLY rows 2 columns 1", "ACCUMULATE shift 1 columns 1 START NEGATE", "STORE columns 1">, tile_weights = dense<[1, -2]> : tensor<2xi8>, bias = array<i64: 3>, weight_bits = 2 : i64} : (tensor<?x2xui3>) -> tensor<?x1xsi8>
  func.return
}
// CHECK-NEXT: %0 = imc.crossbar_kernel %x {instructions = #imc.tile_instructions<"LOAD rows 2 columns 1 WEIGHTS_SIGNED",
// CHECK-NEXT: "MULTIPLY rows 2 columns 1",
// CHECK-NEXT: "ACCUMULATE shift 1 columns 1 START NEGATE",
// CHECK-NEXT: "STORE columns 1">, tile_weights = dense<[1, -2]> : tensor<2xi8>, bias = array<i64: 3>, weight_bits = 2 : i64} : (tensor<?x2xui3>) -> tensor<?x1xsi8>

// Tiles and instructions at places inside a plane, for some of the lanes.
// CHECK-LABEL: func.func @places
func.func @places(%x: tensor<?x5x4x4xui3>, %w: tensor<2x5x1x1xsi9>) {
  %0 = imc.crossbar_linear %x : tensor<?x5x4x4xui3> weights %w : tensor<2x5x1x1xsi9> {tiles = #imc.tiles<"row 3 column 4 rows 5 columns 2 lanes 8 RESIDENT", "row 8 rows 5 columns 2 lane 8 lanes 8 SIGNED RESIDENT">, weight_bits = 8 : i64} -> tensor<?x2x4x4xsi16>
  %1 = imc.crossbar_kernel %x {instructions = #imc.tile_instructions<"LOAD row 3 column 4 rows 5 columns 1", "MULTIPLY row 3 column 4 rows 5 columns 1 lane 8 lanes 8">, tile_weights = dense<1> : tensor<5xi8>, bias = array<i64: 3>, weight_bits = 2 : i64} : (tensor<?x5x4x4xui3>) -> tensor<?x1x4x4xsi8>
  func.return
}
// CHECK-NEXT: tiles = #imc.tiles<"row 3 column 4 rows 5 columns 2 lanes 8 RESIDENT",
// CHECK-NEXT: "row 8 rows 5 columns 2 lane 8 lanes 8 SIGNED RESIDENT">
// CHECK-NEXT: instructions = #imc.tile_instructions<"LOAD row 3 column 4 rows 5 columns 1",
// CHECK-NEXT: "MULTIPLY row 3 column 4 rows 5 columns 1 lane 8 lanes 8">
