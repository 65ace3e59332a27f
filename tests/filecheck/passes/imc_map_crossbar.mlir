// RUN: imc-opt %s -p 'imc-map-crossbar{target=dimc-256x64}' --split-input-file | filecheck %s
// RUN: imc-opt %s -p 'imc-map-crossbar{target=aimc-256x64 cells=differential}' --split-input-file | filecheck %s --check-prefix=DIFFERENTIAL
// RUN: not imc-opt %s -p 'imc-map-crossbar{cells=one-hot}' --split-input-file 2>&1 | filecheck %s --check-prefix=CELLS
// RUN: not imc-opt %s -p 'imc-map-crossbar{target=rtm-ap-256}' --split-input-file 2>&1 | filecheck %s --check-prefix=KIND
// CELLS: imc-map-crossbar: cells=one-hot is unknown; choose twos-complement or differential
// KIND: imc-map-crossbar: target rtm-ap-256 is of kind ap, a crossbar (aimc, dimc) is needed

// The groups of a depthwise convolution share a tile.
// CHECK: %0 = imc.crossbar_linear %x : tensor<?x3x4x4xui3> weights %w : tensor<3x1x1x3xsi3> {tiles = #imc.tiles<"rows 9 columns 3 SIGNED">, weight_bits = 3 : i64, groups = 3 : i64, kernel = array<i64: 1, 3>, pads = array<i64: 0, 1, 0, 1>} -> tensor<?x3x4x4xsi8>
func.func @main(%x: tensor<?x3x4x4xui3> {imc.name = "x"}) -> (tensor<?x3x4x4xsi8> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, -1, 2]]], [[[3, 0, -4]]], [[[-1, 1, 1]]]]> : tensor<3x1x1x3xi8> as tensor<3x1x1x3xsi3>
  %0 = imc.conv2d %x, %w {groups = 3 : i64, pads = array<i64: 0, 1, 0, 1>, imc.unit = #imc<unit crossbar>} : (tensor<?x3x4x4xui3>, tensor<3x1x1x3xsi3>) -> tensor<?x3x4x4xsi8> loc("depthwise")
  func.return %0 : tensor<?x3x4x4xsi8>
}

// -----

// Weights of nine bits lie in two slices, or in two differential columns; the step function joins the layer.
// CHECK: %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> bias %b : tensor<2xsi4> thresholds %t : tensor<1x3xsi8> {tiles = #imc.tiles<"rows 5 columns 2",
// CHECK-NEXT: "rows 5 columns 2 shift 8 SIGNED">, weight_bits = 8 : i64} -> tensor<?x2xui2>
// CHECK-NEXT: func.return
// DIFFERENTIAL: {tiles = #imc.tiles<"rows 5 columns 2 POSITIVE",
// DIFFERENTIAL-NEXT: "rows 5 columns 2 NEGATIVE">, weight_bits = 8 : i64} -> tensor<?x2xui2>
func.func @main(%x: tensor<?x5xui3> {imc.name = "x"}) -> (tensor<?x2xui2> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 200, 0, 3], [0, 2, -100, 1, 1]]> : tensor<2x5xi16> as tensor<2x5xsi9>
  %b = imc.constant dense<[3, -4]> : tensor<2xi8> as tensor<2xsi4>
  %t = imc.constant dense<[[0, 10, 20]]> : tensor<1x3xi8> as tensor<1x3xsi8>
  %0 = imc.gemm %x, %w bias %b {imc.unit = #imc<unit crossbar>} : (tensor<?x5xui3>, tensor<2x5xsi9>, tensor<2xsi4>) -> tensor<?x2xsi16> loc("fc")
  %1 = imc.threshold %0, %t {low = 0 : i64, imc.unit = #imc<unit digital>} : (tensor<?x2xsi16>, tensor<1x3xsi8>) -> tensor<?x2xui2> loc("step")
  func.return %1 : tensor<?x2xui2>
}
