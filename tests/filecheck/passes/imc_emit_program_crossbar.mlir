// RUN: imc-opt %s -p 'imc-map-crossbar{target=dimc-256x64},imc-emit-program{target=dimc-256x64},imc-verify-program' | filecheck %s

// Two slices of nine-bit weights on one macro with one slot: the second one is loaded after the first is used.
// CHECK: macro = {rows = 256 : i64, columns = 64 : i64, macros = 1 : i64, slots = 1 : i64, weight_bits = 8 : i64, activation_bits = 8 : i64, bits_per_cycle = 2 : i64, adc_levels = 0 : i64}
// CHECK: %0 = imc.crossbar_kernel %x {instructions = #imc.tile_instructions<"LOAD rows 5 columns 2",
// CHECK-NEXT: "MULTIPLY rows 5 columns 2",
// CHECK-NEXT: "ACCUMULATE columns 2 START",
// CHECK-NEXT: "LOAD rows 5 columns 2 imm 10 WEIGHTS_SIGNED",
// CHECK-NEXT: "MULTIPLY rows 5 columns 2",
// CHECK-NEXT: "ACCUMULATE shift 8 columns 2",
// CHECK-NEXT{LITERAL}: "STORE columns 2 STEP">, tile_weights = dense<[1, 255, 200, 0, 3, 0, 2, 156, 1, 1, 0, -1, 0, 0, 0, 0, 0, -1, 0, 0]> : tensor<20xi16>, bias = array<i64: 3, -4>, weight_bits = 8 : i64, step_thresholds = dense<[[0, 10, 20], [0, 10, 20]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 0>} : (tensor<?x5xui3>) -> tensor<?x2xui2>
func.func @main(%x: tensor<?x5xui3> {imc.name = "x"}) -> (tensor<?x2xui2> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 200, 0, 3], [0, 2, -100, 1, 1]]> : tensor<2x5xi16> as tensor<2x5xsi9>
  %b = imc.constant dense<[3, -4]> : tensor<2xi8> as tensor<2xsi4>
  %t = imc.constant dense<[[0, 10, 20]]> : tensor<1x3xi8> as tensor<1x3xsi8>
  %0 = imc.gemm %x, %w bias %b {imc.unit = #imc<unit crossbar>} : (tensor<?x5xui3>, tensor<2x5xsi9>, tensor<2xsi4>) -> tensor<?x2xsi16> loc("fc")
  %1 = imc.threshold %0, %t {low = 0 : i64, imc.unit = #imc<unit digital>} : (tensor<?x2xsi16>, tensor<1x3xsi8>) -> tensor<?x2xui2> loc("step")
  func.return %1 : tensor<?x2xui2>
}
