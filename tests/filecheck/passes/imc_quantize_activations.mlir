// RUN: imc-opt %s -p 'imc-quantize-activations{calibration="%S/Inputs/calibration.npz" bits=4}' --print-debuginfo | filecheck %s
// RUN: not imc-opt %s -p 'imc-quantize-activations{calibration="%S/Inputs/calibration.npz" bits=17}' 2>&1 | filecheck %s --check-prefix=BITS
// RUN: not imc-opt %s -p 'imc-quantize-activations{calibration="%S/Inputs/missing.npz"}' 2>&1 | filecheck %s --check-prefix=MISSING

// The samples are -1.5, ..., 3; the input gets a zero point, the summands share a symmetric scale and get two more bits.
// CHECK: imc.activation_report = [{tensor = "input 'image'", bits = 4 : i64, signed = 0 : i64, scale = {{.*}}, zero_point = 5 : i64
// CHECK: imc.quantize %x, {{.*}} {low = 0 : i64, high = 15 : i64} : (tensor<?x2xf32>, tensor<f32>, tensor<ui3>) -> tensor<?x2xui4>
// CHECK: imc.gemm {{.*}} loc("fc1")
// CHECK: imc.quantize {{.*}} {low = -32 : i64, high = 31 : i64} : {{.*}} -> tensor<?x2xsi6> loc("fc1")
// CHECK: imc.relu {{.*}} loc("act")
// CHECK: imc.quantize {{.*}} {low = 0 : i64, high = 63 : i64} : {{.*}} -> tensor<?x2xui6> loc("act")
// CHECK: imc.add
// CHECK: imc.quantize {{.*}} loc("sum")
// CHECK: imc.gemm {{.*}} loc("fc2")

// BITS: imc-opt: error: pass imc-quantize-activations: imc-quantize-activations: bits=17 is outside 1 ... 16

// MISSING: missing.npz: no such file
func.func @main(%x: tensor<?x2xf32> {imc.name = "image"}) -> (tensor<?x2xf32> {imc.name = "y"}) {
  %w = imc.constant dense<[[1.0, -1.0], [0.0, 1.0]]> : tensor<2x2xf32> as tensor<2x2xf32>
  %a = imc.gemm %x, %w : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> loc("fc1")
  %b = imc.relu %a : (tensor<?x2xf32>) -> tensor<?x2xf32> loc("act")
  %c = imc.add %a, %b : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32> loc("sum")
  %d = imc.gemm %c, %w : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> loc("fc2")
  func.return %d : tensor<?x2xf32>
}
