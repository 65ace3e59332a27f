// RUN: imc-opt %s -p 'imc-assign-units,imc-unroll{arrays-per-layer=2}' --split-input-file | filecheck %s

// Two arrays share the four channels of a matrix product: as many weights each, the bias belongs to the first.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %0 = imc.ap_linear %x : tensor<?x4xui2> {programs = [#imc.add_sub<"version 1 inputs 4 outputs 2",
// CHECK-NEXT: "y0 = 5",
// CHECK-NEXT: "slice 1",
// CHECK-NEXT: "y0 += x0",
// CHECK-NEXT: "y1 += x0",
// CHECK-NEXT: "slice 1",
// CHECK-NEXT: "y0 -= x1",
// CHECK-NEXT: "y1 += x1",
// CHECK-NEXT: "slice 1",
// CHECK-NEXT: "slice 1">, #imc.add_sub<"version 1 inputs 4 outputs 2",
// CHECK-NEXT: "slice 1",
// CHECK-NEXT: "slice 1",
// CHECK-NEXT: "slice 1",
// CHECK-NEXT: "y1 += x2",
// CHECK-NEXT: "slice 1",
// CHECK-NEXT: "y0 += x3",
// CHECK-NEXT: "y1 -= x3">], partial_sums = 2 : i64, channel_low = array<i64: 0, 0, 0, 0>, channel_high = array<i64: 3, 3, 3, 3>} -> tensor<?x2xsi6>
func.func @main(%x: tensor<?x4xui2> {imc.name = "x"}) -> (tensor<?x2xsi6> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 0, 1], [1, 1, 1, -1]]> : tensor<2x4xi8> as tensor<2x4xsi2>
  %b = imc.constant dense<[5, 0]> : tensor<2xi8> as tensor<2xsi4>
  %0 = imc.gemm %x, %w bias %b : (tensor<?x4xui2>, tensor<2x4xsi2>, tensor<2xsi4>) -> tensor<?x2xsi6> loc("fc")
  func.return %0 : tensor<?x2xsi6>
}

// -----

// One channel cannot be shared.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %0 = imc.ap_linear %x : tensor<?x1x3x3xui2> {programs = [#imc.add_sub<"version 1 inputs 4 outputs 1",
// CHECK-NEXT: "slice 4",
// CHECK-NEXT: "y0 += x0",
// CHECK-NEXT: "y0 += x1",
// CHECK-NEXT: "y0 += x3">], channel_low
func.func @main(%x: tensor<?x1x3x3xui2> {imc.name = "x"}) -> (tensor<?x1x2x2xui4> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, 1], [0, 1]]]]> : tensor<1x1x2x2xi8> as tensor<1x1x2x2xsi2>
  %0 = imc.conv2d %x, %w : (tensor<?x1x3x3xui2>, tensor<1x1x2x2xsi2>) -> tensor<?x1x2x2xui4> loc("conv")
  func.return %0 : tensor<?x1x2x2xui4>
}

// -----

// Groups have no output in common: the arrays share the outputs, and nothing is left to add.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %0 = imc.ap_linear %x : tensor<?x2x2x2xui2> {programs = [#imc.add_sub<"version 1 inputs 8 outputs 1",
// CHECK-NEXT: "slice 4",
// CHECK-NEXT: "y0 += x0",
// CHECK-NEXT: "y0 += x1",
// CHECK-NEXT: "y0 += x3",
// CHECK-NEXT: "slice 4">, #imc.add_sub<"version 1 inputs 8 outputs 1",
// CHECK-NEXT: "slice 4",
// CHECK-NEXT: "slice 4",
// CHECK-NEXT: "y0 += x4",
// CHECK-NEXT: "y0 += x7">], channel_low
func.func @main(%x: tensor<?x2x2x2xui2> {imc.name = "x"}) -> (tensor<?x2x1x1xui4> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, 1], [0, 1]]], [[[1, 0], [0, 1]]]]> : tensor<2x1x2x2xi8> as tensor<2x1x2x2xsi2>
  %0 = imc.conv2d %x, %w {groups = 2 : i64} : (tensor<?x2x2x2xui2>, tensor<2x1x2x2xsi2>) -> tensor<?x2x1x1xui4> loc("depthwise")
  func.return %0 : tensor<?x2x1x1xui4>
}
