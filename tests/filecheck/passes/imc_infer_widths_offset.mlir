// RUN: imc-opt %s -p 'imc-assign-units,imc-unroll,imc-infer-widths{offset-binary=true}' | filecheck %s
// RUN: not imc-opt %s -p 'imc-assign-units,imc-unroll,imc-infer-widths{offset-binary=true},imc-unpack' 2>&1 | filecheck %s --check-prefix UNPACK

// UNPACK: imc-unpack: node 'fc' (imc.ap_linear) has offset values, which have no SSA form

// Signed elements get 4 added where that pays: x3 has only one bit of the sum above it. The sum is larger by 3 times 4,
// and so are its thresholds.
// CHECK: %0 = imc.constant dense<{{.}}[5, 15, 32]]> : tensor<1x3xi8> as tensor<1x3xui6>
// CHECK-NEXT: %1 = imc.ap_linear %x : tensor<?x4xsi3> thresholds %0 : tensor<1x3xui6> {programs = [#imc.add_sub<"version 1 inputs 4 outputs 1",
// CHECK: "y0 += (x3 << 4)",
// CHECK-NEXT: "x0 += 4",
// CHECK-NEXT: "x1 += 4",
// CHECK-NEXT: "x2 += 4",
// CHECK-NEXT: "x0 in 0 .. 7",
// CHECK-NEXT: "x1 in 0 .. 7",
// CHECK-NEXT: "x2 in 0 .. 7",
// CHECK-NEXT: "x3 in -4 .. 3",
// CHECK-NEXT: "y0 in -64 .. 69">], channel_low = array<i64: -4, -4, -4, -4>, channel_high = array<i64: 3, 3, 3, 3>} -> tensor<?x1xui2>
func.func @main(%x: tensor<?x4xsi3> {imc.name = "x"}) -> (tensor<?x1xui2> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, 1, 1, 16]]> : tensor<1x4xi8> as tensor<1x4xsi6>
  %t = imc.constant dense<[[-7, 3, 20]]> : tensor<1x3xi8> as tensor<1x3xsi6>
  %0 = imc.gemm %x, %w : (tensor<?x4xsi3>, tensor<1x4xsi6>) -> tensor<?x1xsi8> loc("fc")
  %1 = imc.threshold %0, %t {low = 0 : i64} : (tensor<?x1xsi8>, tensor<1x3xsi6>) -> tensor<?x1xui2> loc("fc")
  func.return %1 : tensor<?x1xui2>
}
