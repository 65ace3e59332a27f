// RUN: imc-opt %s -p 'imc-assign-units,imc-unroll,imc-reduce-arithmetic' --split-input-file --verify-diagnostics | filecheck %s

// Both outputs contain x0 - x1 + x3: computed once. One scope over both input channels is cheaper here.
// CHECK-LABEL: func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xsi6> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.ap_linear %x : tensor<?x2x3x3xui2> {programs = [#imc.add_sub<"version 1 inputs 8 outputs 2",
// CHECK-NEXT: "slice 8",
// CHECK-NEXT: "v0 = x0 - x1",
// CHECK-NEXT: "v1 = v0 + x3",
// CHECK-NEXT: "y0 += v1",
// CHECK-NEXT: "y0 += x4",
// CHECK-NEXT: "y1 += v1",
// CHECK-NEXT: "y1 -= x7">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, kernel = array<i64: 2, 2>} -> tensor<?x2x2x2xsi6>
func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xsi6> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, -1], [0, 1]], [[1, 0], [0, 0]]], [[[1, -1], [0, 1]], [[0, 0], [0, -1]]]]> : tensor<2x2x2x2xi8> as tensor<2x2x2x2xsi2>
  %0 = imc.conv2d %x, %w : (tensor<?x2x3x3xui2>, tensor<2x2x2x2xsi2>) -> tensor<?x2x2x2xsi6> loc("conv")
  func.return %0 : tensor<?x2x2x2xsi6>
}

// -----

// A sum that is used once is formed first where that is cheaper than two accumulations of full width.
// CHECK-LABEL: func.func @main(%x: tensor<?x3xsi3> {imc.name = "x"}) -> (tensor<?x2xsi7> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.ap_linear %x : tensor<?x3xsi3> {programs = [#imc.add_sub<"version 1 inputs 3 outputs 2",
// CHECK-NEXT: "y0 = 7",
// CHECK-NEXT: "slice 3",
// CHECK-NEXT: "v0 = x0 + x2",
// CHECK-NEXT: "y0 -= v0",
// CHECK-NEXT: "y0 += (x0 << 2)",
// CHECK-NEXT: "y1 += x1",
// CHECK-NEXT: "y1 += (x1 << 2)">], channel_low = array<i64: -4, -4, -4>, channel_high = array<i64: 3, 3, 3>} -> tensor<?x2xsi7>
func.func @main(%x: tensor<?x3xsi3> {imc.name = "x"}) -> (tensor<?x2xsi7> {imc.name = "y"}) {
  %w = imc.constant dense<[[3, 0, -1], [0, 5, 0]]> : tensor<2x3xi8> as tensor<2x3xsi4>
  %b = imc.constant dense<[7, 0]> : tensor<2xi8> as tensor<2xsi4>
  %0 = imc.gemm %x, %w bias %b : (tensor<?x3xsi3>, tensor<2x3xsi4>, tensor<2xsi4>) -> tensor<?x2xsi7> loc("gemm")
  func.return %0 : tensor<?x2xsi7>
}
