// RUN: IMC_DIAGNOSTICS

// CHECK: a program has 3 inputs for 2 window elements
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 3 outputs 1", "slice 3", "y0 += x0">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: programs compute 2 of 1 output channels
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 2", "slice 2", "y0 += x0">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: channel ranges must have 2 entries
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0">], channel_low = array<i64: 0>, channel_high = array<i64: 3, 3>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: add/sub program: accumulate_value[0] names a value that does not exist
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += v0">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: line 'v1 = x0 + x1' is not understood
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "v1 = x0 + x1">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: the first line must be 'version 1 inputs K outputs M'
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 9 inputs 2 outputs 1", "slice 2", "y0 += x0">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: 0 placements for 1 programs
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = []} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: a vector has windows of one element and no padding
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, kernel = array<i64: 2, 1>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: results 0 ... 2 do not fit ui1
func.func @main(%x: tensor<?x2xui2>, %t: tensor<1x2xsi2>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> thresholds %t : tensor<1x2xsi2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x1xui1>
  func.return
}

// -----

// CHECK: thresholds have 2 rows for 1 channels
func.func @main(%x: tensor<?x2xui2>, %t: tensor<2x2xsi2>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> thresholds %t : tensor<2x2xsi2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: descending channels without thresholds
func.func @main(%x: tensor<?x2xui2>, %d: tensor<1xui1>) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> descending %d : tensor<1xui1> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: needs inputs, all of one shape
func.func @main(%x: tensor<?x2xui2>, %y: tensor<?x3xui2>) {
  %0 = imc.ap_linear %x, %y : tensor<?x2xui2>, tensor<?x3xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: result has shape ?x2x2x2, expected ?x2x3x3
func.func @main(%x: tensor<?x2x4x4xui2>) {
  %0 = imc.ap_max_pool %x {kernel = array<i64: 2, 2>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x2x2xui2>
  func.return
}

// -----

// CHECK: the result has another element type than the input
func.func @main(%x: tensor<?x2x4x4xui2>) {
  %0 = imc.ap_max_pool %x {kernel = array<i64: 2, 2>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x3x3xui3>
  func.return
}

// -----

// CHECK: the result has another number of channels than the input
func.func @main(%x: tensor<?x2x4x4xui2>) {
  %0 = imc.ap_max_pool %x {kernel = array<i64: 2, 2>} : (tensor<?x2x4x4xui2>) -> tensor<?x1x3x3xui2>
  func.return
}

// -----

// CHECK: input has 3 axes, expected 2 or 4
func.func @main(%x: tensor<?x2x4xui2>) {
  %0 = imc.ap_max_pool %x : (tensor<?x2x4xui2>) -> tensor<?x2x4xui2>
  func.return
}

// -----

// CHECK: takes one input, got 2
func.func @main(%x: tensor<?x2x4x4xui2>) {
  %0 = imc.ap_max_pool %x, %x : (tensor<?x2x4x4xui2>, tensor<?x2x4x4xui2>) -> tensor<?x2x4x4xui2>
  func.return
}

// -----

// CHECK: kernel [0, 1] must be two positive sizes
func.func @main(%x: tensor<?x2x4x4xui2>) {
  %0 = imc.ap_max_pool %x {kernel = array<i64: 0, 1>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x4x4xui2>
  func.return
}

// -----

// CHECK: 0 arrays, expected at least 1
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_kernel %x {instructions = #imc.instructions<"LOAD r_bits 2 r 64">, arrays = 0 : i64} : (tensor<?x2xui2>) -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: step_thresholds, step_low and step_descending come together
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_kernel %x {instructions = #imc.instructions<"LOAD r_bits 2 r 64">, arrays = 1 : i64, step_low = array<i64: 0>} : (tensor<?x2xui2>) -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: step table has shape [2, 1] with 1 and 1 rows
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_kernel %x {instructions = #imc.instructions<"LOAD r_bits 2 r 64">, arrays = 1 : i64, step_thresholds = dense<1> : tensor<2x1xi64>, step_low = array<i64: 0>, step_descending = array<i8: 0>} : (tensor<?x2xui2>) -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: imc.instructions: line 'JUMP r 64': unknown opcode JUMP
func.func @main(%x: tensor<?x2xui2>) {
  %0 = imc.ap_kernel %x {instructions = #imc.instructions<"JUMP r 64">, arrays = 1 : i64} : (tensor<?x2xui2>) -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: partial_sums is 3, it must be a power of two
func.func @main(%x: tensor<?x1xui2>) {
  %0 = imc.ap_linear %x : tensor<?x1xui2> {programs = [#imc.add_sub<"version 1 inputs 1 outputs 1", "slice 1", "y0 += x0">], partial_sums = 3 : i64, channel_low = array<i64: 0>, channel_high = array<i64: 3>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: 1 programs in parts of 2 partial sums
func.func @main(%x: tensor<?x1xui2>) {
  %0 = imc.ap_linear %x : tensor<?x1xui2> {programs = [#imc.add_sub<"version 1 inputs 1 outputs 1", "slice 1", "y0 += x0">], partial_sums = 2 : i64, channel_low = array<i64: 0>, channel_high = array<i64: 3>} -> tensor<?x1xui2>
  func.return
}

// -----

// CHECK: partial sums of one part must have the same outputs, programs have [1, 2]
func.func @main(%x: tensor<?x1xui2>) {
  %0 = imc.ap_linear %x : tensor<?x1xui2> {programs = [#imc.add_sub<"version 1 inputs 1 outputs 1", "slice 1", "y0 += x0">, #imc.add_sub<"version 1 inputs 1 outputs 2", "slice 1", "y0 += x0">], partial_sums = 2 : i64, channel_low = array<i64: 0>, channel_high = array<i64: 3>} -> tensor<?x1xui2>
  func.return
}
