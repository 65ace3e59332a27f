// RUN: imc-opt %s -p 'imc-verify-program' --split-input-file --verify-diagnostics | filecheck %s

// The module must name its target.
// CHECK: imc-verify-program: the module names no target; run imc-emit-program first
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_kernel %x {instructions = #imc.instructions<"LOAD r_bits 2 r 0", "LOAD r_bits 2 r 8 imm 1", "SUB a_bits 2 b_bits 2 r_bits 3 b 8 r 16 c 24", "STORE a_bits 3 a 16 A_SIGNED">, arrays = 1 : i64} : (tensor<?x2xui2>) -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}

// -----

// Instructions are checked like those of a file: words of one instruction lie on different tracks.
// CHECK: imc-verify-program: step 0 'layer': instruction 2 (SUB): r = 12, allowed: a track other than that of b
builtin.module attributes {imc.target = {name = "small", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 4 : i64, tracks = 4 : i64, domains = 8 : i64, or_latch = false, array_count = 1 : i64, kind = "ap"}} {
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_kernel %x {instructions = #imc.instructions<"LOAD r_bits 2 r 0", "LOAD r_bits 2 r 8 imm 1", "SUB a_bits 2 b_bits 2 r_bits 3 b 8 r 12 c 24", "STORE a_bits 3 a 16 A_SIGNED">, arrays = 1 : i64} : (tensor<?x2xui2>) -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}
}

// -----

// Everything is written before it is read.
// CHECK: imc-verify-program: step 0 'layer': instruction 1 (SUB): reads 2 bits at cell b=8 before all are written
builtin.module attributes {imc.target = {name = "small", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 4 : i64, tracks = 4 : i64, domains = 8 : i64, or_latch = false, array_count = 1 : i64, kind = "ap"}} {
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_kernel %x {instructions = #imc.instructions<"LOAD r_bits 2 r 0", "SUB a_bits 2 b_bits 2 r_bits 3 b 8 r 16 c 24", "STORE a_bits 3 a 16 A_SIGNED">, arrays = 1 : i64} : (tensor<?x2xui2>) -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}
}

// -----

// Windows have only so many elements.
// CHECK: imc-verify-program: step 0 'layer': instruction 1 (LOAD): imm = 2, allowed: an element of the window of the input
builtin.module attributes {imc.target = {name = "small", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 4 : i64, tracks = 4 : i64, domains = 8 : i64, or_latch = false, array_count = 1 : i64, kind = "ap"}} {
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_kernel %x {instructions = #imc.instructions<"LOAD r_bits 2 r 0", "LOAD r_bits 2 r 8 imm 2", "SUB a_bits 2 b_bits 2 r_bits 3 b 8 r 16 c 24", "STORE a_bits 3 a 16 A_SIGNED">, arrays = 1 : i64} : (tensor<?x2xui2>) -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}
}

// -----

// Cells end with the array.
// CHECK: imc-verify-program: step 0 'layer': instruction 2 (SUB): c = 32, allowed: 0 to 31
builtin.module attributes {imc.target = {name = "small", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 4 : i64, tracks = 4 : i64, domains = 8 : i64, or_latch = false, array_count = 1 : i64, kind = "ap"}} {
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_kernel %x {instructions = #imc.instructions<"LOAD r_bits 2 r 0", "LOAD r_bits 2 r 8 imm 1", "SUB a_bits 2 b_bits 2 r_bits 3 b 8 r 16 c 32", "STORE a_bits 3 a 16 A_SIGNED">, arrays = 1 : i64} : (tensor<?x2xui2>) -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}
}

// -----

// Promises are proven: this result does not hold 0.
// CHECK: imc-verify-program: step 0 'layer': instruction 2 (SUB): flag R_IS_ZERO promises zeros at cell r=16, not proven
builtin.module attributes {imc.target = {name = "small", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 4 : i64, tracks = 4 : i64, domains = 8 : i64, or_latch = false, array_count = 1 : i64, kind = "ap"}} {
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_kernel %x {instructions = #imc.instructions<"LOAD r_bits 2 r 0", "LOAD r_bits 2 r 8 imm 1", "SUB a_bits 2 b_bits 2 r_bits 3 b 8 r 16 c 24 R_IS_ZERO", "STORE a_bits 3 a 16 A_SIGNED">, arrays = 1 : i64} : (tensor<?x2xui2>) -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}
}

// -----

// Layers are emitted first.
// CHECK: imc-verify-program: node 'layer' (imc.ap_linear) is not at program level and unknown to the digital unit
builtin.module attributes {imc.target = {name = "small", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 4 : i64, tracks = 4 : i64, domains = 8 : i64, or_latch = false, array_count = 1 : i64, kind = "ap"}} {
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0", "y0 -= x1", "x0 in 0 .. 3", "x1 in 0 .. 3", "y0 in -3 .. 3">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 16320", "load 0 r 0", "load 1 r 64", "start 0 a 0 r 128", "accumulate 1 a 64 r 128", "store 0 a 128">]} -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}
}
