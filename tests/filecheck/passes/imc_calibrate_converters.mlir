// RUN: imc-opt %s -p 'imc-assign-units{target="%S/Inputs/five_bit_converters.yaml"},imc-map-crossbar{target="%S/Inputs/five_bit_converters.yaml"},imc-emit-program{target="%S/Inputs/five_bit_converters.yaml"},imc-calibrate-converters{calibration="%S/Inputs/converter_samples.npz"},imc-verify-program' | filecheck %s
// RUN: not imc-opt %s -p 'imc-assign-units{target=dimc-256x64},imc-map-crossbar{target=dimc-256x64},imc-emit-program{target=dimc-256x64},imc-calibrate-converters{calibration="%S/Inputs/converter_samples.npz"}' 2>&1 | filecheck %s --check-prefix=DIGITAL
// RUN: not imc-opt %s -p 'imc-assign-units{target=aimc-256x64},imc-map-crossbar{target=aimc-256x64},imc-emit-program{target=aimc-256x64},imc-calibrate-converters{calibration="%S/Inputs/calibration.npz"}' 2>&1 | filecheck %s --check-prefix=MISSING

// 48 cells and digits of up to 3 could add up to 144; on the samples a fifth of the activations are not 0.
// CHECK: imc.notes = ["fc: converters cover 22% to 22% of the possible sums, 0.00% clipped; conversions: 20.4 dB before, exact now"]
// CHECK: "MULTIPLY rows 48 columns 2 imm 31",
// DIGITAL: imc-calibrate-converters: program 'main': target 'dimc-256x64' is digital, it has no converters
// MISSING: imc-calibrate-converters: calibration data lacks input 'x'; it holds image
func.func @main(%x: tensor<?x48xui2> {imc.name = "x"}) -> (tensor<?x2xui8> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]> : tensor<2x48xi8> as tensor<2x48xui1>
  %y = imc.gemm %x, %w : (tensor<?x48xui2>, tensor<2x48xui1>) -> tensor<?x2xui8> loc("fc")
  func.return %y : tensor<?x2xui8>
}
