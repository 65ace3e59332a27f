// RUN: IMC_ROUNDTRIP

// CHECK-LABEL: func.func @linear
func.func @linear(%x: tensor<?x2x3x3xui2>) {
  %t = imc.constant dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi8> as tensor<2x3xsi4>
  %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
  %0 = imc.ap_linear %x : tensor<?x2x3x3xui2> thresholds %t : tensor<2x3xsi4> descending %d : tensor<2xui1> {programs = [#imc.add_sub<"version 1 inputs 8 outputs 2", "slice 8", "v0 = x0 - x1", "v1 = v0 + x3", "y0 += v1", "y0 += x4", "y1 += v1", "y1 -= x7">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, kernel = array<i64: 2, 2>} -> tensor<?x2x2x2xui2>
  %1 = imc.ap_linear %x, %x : tensor<?x2x3x3xui2>, tensor<?x2x3x3xui2> {programs = [#imc.add_sub<"version 1 inputs 4 outputs 1", "slice 4", "y0 += x0", "y0 -= (x3 << 2)">], channel_low = array<i64: 0, 0, 0, 0>, channel_high = array<i64: 3, 3, 3, 3>} -> tensor<?x1x3x3xsi6>
  func.return
}
// CHECK-NEXT{LITERAL}: %t = imc.constant dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi8> as tensor<2x3xsi4>
// CHECK-NEXT{LITERAL}: %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
// CHECK-NEXT{LITERAL}: %0 = imc.ap_linear %x : tensor<?x2x3x3xui2> thresholds %t : tensor<2x3xsi4> descending %d : tensor<2xui1> {programs = [#imc.add_sub<"version 1 inputs 8 outputs 2",
// CHECK-NEXT{LITERAL}: "slice 8",
// CHECK-NEXT{LITERAL}: "v0 = x0 - x1",
// CHECK-NEXT{LITERAL}: "v1 = v0 + x3",
// CHECK-NEXT{LITERAL}: "y0 += v1",
// CHECK-NEXT{LITERAL}: "y0 += x4",
// CHECK-NEXT{LITERAL}: "y1 += v1",
// CHECK-NEXT{LITERAL}: "y1 -= x7">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, kernel = array<i64: 2, 2>} -> tensor<?x2x2x2xui2>
// CHECK-NEXT{LITERAL}: %1 = imc.ap_linear %x, %x : tensor<?x2x3x3xui2>, tensor<?x2x3x3xui2> {programs = [#imc.add_sub<"version 1 inputs 4 outputs 1",
// CHECK-NEXT{LITERAL}: "slice 4",
// CHECK-NEXT{LITERAL}: "y0 += x0",
// CHECK-NEXT{LITERAL}: "y0 -= (x3 << 2)">], channel_low = array<i64: 0, 0, 0, 0>, channel_high = array<i64: 3, 3, 3, 3>} -> tensor<?x1x3x3xsi6>

// CHECK-LABEL: func.func @placed
func.func @placed(%x: tensor<?x2xui2>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0", "y0 -= x1", "x0 in 0 .. 3", "x1 in 0 .. 3", "y0 in -3 .. 3">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 16320", "load 0 r 0", "load 1 r 64", "start 0 a 0 r 128", "accumulate 1 a 64 r 128", "store 0 a 128">]} -> tensor<?x1xsi3>
  func.return
}
// CHECK-NEXT{LITERAL}: %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1",
// CHECK-NEXT{LITERAL}: "slice 2",
// CHECK-NEXT{LITERAL}: "y0 += x0",
// CHECK-NEXT{LITERAL}: "y0 -= x1",
// CHECK-NEXT{LITERAL}: "x0 in 0 .. 3",
// CHECK-NEXT{LITERAL}: "x1 in 0 .. 3",
// CHECK-NEXT{LITERAL}: "y0 in -3 .. 3">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 16320",
// CHECK-NEXT{LITERAL}: "load 0 r 0",
// CHECK-NEXT{LITERAL}: "load 1 r 64",
// CHECK-NEXT{LITERAL}: "start 0 a 0 r 128",
// CHECK-NEXT{LITERAL}: "accumulate 1 a 64 r 128",
// CHECK-NEXT{LITERAL}: "store 0 a 128">]} -> tensor<?x1xsi3>

// CHECK-LABEL: func.func @max_pool
func.func @max_pool(%x: tensor<?x2x4x4xui2>) {
  %0 = imc.ap_max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x2x2xui2>
  func.return
}
// CHECK-NEXT{LITERAL}: %0 = imc.ap_max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x2x2xui2>

// CHECK-LABEL: func.func @kernel
func.func @kernel(%x: tensor<?x1x2x2xui2>) {
  %0 = imc.ap_kernel %x {instructions = #imc.instructions<"LOAD r_bits 2 r 64", "NEG a_bits 2 r_bits 3 a 64 r 128 c 192", "STORE_STEP a_bits 3 a 128 A_SIGNED">, arrays = 1 : i64, step_thresholds = dense<[[-1, 0]]> : tensor<1x2xi64>, step_low = array<i64: 0>, step_descending = array<i8: 1>, source_map = [{start = 0 : i64, stop = 3 : i64, text = "output channel 0"}]} : (tensor<?x1x2x2xui2>) -> tensor<?x1x2x2xui2>
  func.return
}
// CHECK-NEXT{LITERAL}: %0 = imc.ap_kernel %x {instructions = #imc.instructions<"LOAD r_bits 2 r 64",
// CHECK-NEXT{LITERAL}: "NEG a_bits 2 r_bits 3 a 64 r 128 c 192",
// CHECK-NEXT{LITERAL}: "STORE_STEP a_bits 3 a 128 A_SIGNED">, arrays = 1 : i64, step_thresholds = dense<[[-1, 0]]> : tensor<1x2xi64>, step_low = array<i64: 0>, step_descending = array<i8: 1>, source_map = [{start = 0 : i64, stop = 3 : i64, text = "output channel 0"}]} : (tensor<?x1x2x2xui2>) -> tensor<?x1x2x2xui2>
