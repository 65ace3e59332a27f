// RUN: imc-opt %s -p 'imc-assign-units,imc-unroll,imc-reduce-arithmetic,imc-infer-widths,imc-allocate-tracks' --split-input-file --verify-diagnostics | filecheck %s

// Words lie on different tracks; short-lived ones low on the tracks, sums at the top.
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
// CHECK-NEXT: "y1 in -6 .. 6">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, kernel = array<i64: 2, 2>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 15360",
// CHECK-NEXT: "clear 2 b 5 r 15232",
// CHECK-NEXT: "load 0 r 3072",
// CHECK-NEXT: "load 1 r 3136",
// CHECK-NEXT: "operate 0 a 3072 b 3136 r 0",
// CHECK-NEXT: "load 3 r 3200",
// CHECK-NEXT: "operate 1 a 0 b 3200 r 3264",
// CHECK-NEXT: "start 0 a 3264 r 15232 zero",
// CHECK-NEXT: "start 2 a 3264 r 15296 zero",
// CHECK-NEXT: "load 4 r 3328",
// CHECK-NEXT: "accumulate 1 a 3328 r 15232",
// CHECK-NEXT: "store 0 a 15232",
// CHECK-NEXT: "load 7 r 3392",
// CHECK-NEXT: "accumulate 3 a 3392 r 15296",
// CHECK-NEXT: "store 1 a 15296">]} -> tensor<?x2x2x2xsi6>
func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xsi6> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, -1], [0, 1]], [[1, 0], [0, 0]]], [[[1, -1], [0, 1]], [[0, 0], [0, -1]]]]> : tensor<2x2x2x2xi8> as tensor<2x2x2x2xsi2>
  %0 = imc.conv2d %x, %w : (tensor<?x2x3x3xui2>, tensor<2x2x2x2xsi2>) -> tensor<?x2x2x2xsi6> loc("conv")
  func.return %0 : tensor<?x2x2x2xsi6>
}
