// RUN: imc-opt %s -p 'imc-assign-units,imc-unroll,imc-reduce-arithmetic,imc-infer-widths,imc-allocate-tracks,imc-emit-program' --split-input-file --verify-diagnostics | filecheck %s
// RUN: imc-opt %s -p 'imc-assign-units,imc-unroll,imc-reduce-arithmetic,imc-infer-widths,imc-allocate-tracks,imc-emit-program' --split-input-file --verify-diagnostics --print-debuginfo | filecheck %s --check-prefix=LOCATION

// Every step of the placement is an instruction; the step function is the kernel's step table.
// CHECK-LABEL: func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
// CHECK-NEXT{LITERAL}: %t = imc.constant dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi8> as tensor<2x3xsi4>
// CHECK-NEXT: %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
// CHECK-NEXT: %0 = imc.ap_kernel %x {instructions = #imc.instructions<"CLEAR r_bits 5 r 15232 imm 2",
// CHECK-NEXT: "LOAD r_bits 2 r 3072",
// CHECK-NEXT: "LOAD r_bits 2 r 3136 imm 1",
// CHECK-NEXT: "CLEAR r_bits 1 r 15360 imm 16",
// CHECK-NEXT: "SUB a_bits 2 b_bits 2 r_bits 3 a 3072 b 3136 c 15360 C_IS_ZERO",
// CHECK-NEXT: "LOAD r_bits 2 r 3200 imm 3",
// CHECK-NEXT: "ADD a_bits 3 b_bits 2 r_bits 4 b 3200 r 3264 c 15424 A_SIGNED C_IS_ZERO",
// CHECK-NEXT: "COPY a_bits 4 r_bits 5 a 3264 r 15232 A_SIGNED R_IS_ZERO",
// CHECK-NEXT: "COPY a_bits 4 r_bits 4 a 3264 r 15296 A_SIGNED R_IS_ZERO",
// CHECK-NEXT: "LOAD r_bits 2 r 3328 imm 4",
// CHECK-NEXT: "ADD_INTO a_bits 2 r_bits 5 a 3328 r 15232 c 15488 C_IS_ZERO",
// CHECK-NEXT: "STORE_STEP a_bits 5 a 15232 A_SIGNED",
// CHECK-NEXT: "LOAD r_bits 2 r 3392 imm 7",
// CHECK-NEXT: "SUB_FROM a_bits 2 r_bits 4 a 3392 r 15296 c 15552 C_IS_ZERO",
// CHECK-NEXT{LITERAL}: "STORE_STEP a_bits 4 a 15296 imm 1 imm2 1 A_SIGNED">, arrays = 1 : i64, kernel = array<i64: 2, 2>, step_thresholds = dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 1>, source_map = [{start = 0 : i64, stop = 15 : i64, text = "output channels 0 to 1"}]} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2>
// LOCATION: tensor<?x2x2x2xui2> loc(fused["conv", "quant"])
func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, -1], [0, 1]], [[1, 0], [0, 0]]], [[[1, -1], [0, 1]], [[0, 0], [0, -1]]]]> : tensor<2x2x2x2xi8> as tensor<2x2x2x2xsi2>
  %0 = imc.conv2d %x, %w : (tensor<?x2x3x3xui2>, tensor<2x2x2x2xsi2>) -> tensor<?x2x2x2xsi6> loc("conv")
  %t = imc.constant dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi8> as tensor<2x3xsi4>
  %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
  %1 = imc.threshold %0, %t descending %d : (tensor<?x2x2x2xsi6>, tensor<2x3xsi4>, tensor<2xui1>) -> tensor<?x2x2x2xui2> loc("quant")
  func.return %1 : tensor<?x2x2x2xui2>
}

// -----

// A maximum pooling of the digital unit stays an op.
// CHECK-LABEL: func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.max_pool %x {imc.unit = #imc<unit digital>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x2x2xui2>
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %0 : tensor<?x2x2x2xui2>
}
