// RUN: imc-opt %s -p 'imc-assign-units,imc-unroll,imc-reduce-arithmetic,imc-infer-widths' --split-input-file --verify-diagnostics | filecheck %s

// Intervals follow from the range of the inputs, 0 ... 3.
// CHECK-LABEL: func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xsi6> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.ap_linear %x : tensor<?x2x3x3xui2> {programs = [#imc.add_sub<"version 1 inputs 8 outputs 2",
// CHECK-NEXT: "slice 8",
// CHECK-NEXT: "v0 = x0 - x1",
// CHECK-NEXT: "v1 = v0 + x3",
// CHECK-NEXT: "y0 += v1",
// CHECK-NEXT: "y0 += x4",
// CHECK-NEXT: "y1 += v1",
// CHECK-NEXT: "y1 -= x7",
// CHECK-NEXT: "x0 in 0 .. 3",
// CHECK-NEXT: "x1 in 0 .. 3",
// CHECK-NEXT: "x2 in 0 .. 3",
// CHECK-NEXT: "x3 in 0 .. 3",
// CHECK-NEXT: "x4 in 0 .. 3",
// CHECK-NEXT: "x5 in 0 .. 3",
// CHECK-NEXT: "x6 in 0 .. 3",
// CHECK-NEXT: "x7 in 0 .. 3",
// CHECK-NEXT: "v0 in -3 .. 3",
// CHECK-NEXT: "v1 in -3 .. 6",
// CHECK-NEXT: "y0 in -3 .. 9",
// CHECK-NEXT: "y1 in -6 .. 6">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, kernel = array<i64: 2, 2>} -> tensor<?x2x2x2xsi6>
func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xsi6> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, -1], [0, 1]], [[1, 0], [0, 0]]], [[[1, -1], [0, 1]], [[0, 0], [0, -1]]]]> : tensor<2x2x2x2xi8> as tensor<2x2x2x2xsi2>
  %0 = imc.conv2d %x, %w : (tensor<?x2x3x3xui2>, tensor<2x2x2x2xsi2>) -> tensor<?x2x2x2xsi6> loc("conv")
  func.return %0 : tensor<?x2x2x2xsi6>
}

// -----

// A bias moves the interval.
// CHECK-LABEL: func.func @main(%x: tensor<?x3xsi3> {imc.name = "x"}) -> (tensor<?x2xsi7> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.ap_linear %x : tensor<?x3xsi3> {programs = [#imc.add_sub<"version 1 inputs 3 outputs 2",
// CHECK-NEXT: "y0 = 7",
// CHECK-NEXT: "slice 3",
// CHECK-NEXT: "v0 = x0 + x2",
// CHECK-NEXT: "y0 -= v0",
// CHECK-NEXT: "y0 += (x0 << 2)",
// CHECK-NEXT: "y1 += x1",
// CHECK-NEXT: "y1 += (x1 << 2)",
// CHECK-NEXT: "x0 in -4 .. 3",
// CHECK-NEXT: "x1 in -4 .. 3",
// CHECK-NEXT: "x2 in -4 .. 3",
// CHECK-NEXT: "v0 in -8 .. 6",
// CHECK-NEXT: "y0 in -8 .. 20",
// CHECK-NEXT: "y1 in -20 .. 15">], channel_low = array<i64: -4, -4, -4>, channel_high = array<i64: 3, 3, 3>} -> tensor<?x2xsi7>
func.func @main(%x: tensor<?x3xsi3> {imc.name = "x"}) -> (tensor<?x2xsi7> {imc.name = "y"}) {
  %w = imc.constant dense<[[3, 0, -1], [0, 5, 0]]> : tensor<2x3xi8> as tensor<2x3xsi4>
  %b = imc.constant dense<[7, 0]> : tensor<2xi8> as tensor<2xsi4>
  %0 = imc.gemm %x, %w bias %b : (tensor<?x3xsi3>, tensor<2x3xsi4>, tensor<2xsi4>) -> tensor<?x2xsi7> loc("gemm")
  func.return %0 : tensor<?x2xsi7>
}
