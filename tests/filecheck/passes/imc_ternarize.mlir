// RUN: imc-opt %s -p imc-ternarize | filecheck %s
// RUN: imc-opt %s -p 'imc-ternarize{method=threshold ratio=0.7}' | filecheck %s --check-prefix=THRESHOLD
// RUN: imc-opt %s -p 'imc-ternarize{ends=4}' | filecheck %s --check-prefix=ENDS

// The first and the last layer stay real. fc2 becomes ternary; fc3 keeps its two scales as integers with ratio 2 : 1.
// CHECK: imc.weight_report = [{layer = "fc2", kind = "ternary by least-squares", bits = 2 : i64, zero_share = 2.500000e-01 : f64
// CHECK-SAME: imc.notes = ["fc2: weights quantised (ternary by least-squares, 2 bits, 25% zero), relative error 0.1430", "fc3: weights quantised (two scales kept, 3 bits, 50% zero), relative error 0.0001"]
// CHECK: imc.constant dense<{{\[\[}}1.317100e+00, 2.343000e-01], [7.119000e-01, -4.137000e-01]]>
// CHECK: imc.gemm %x
// CHECK: imc.constant dense<{{\[\[}}1, 0], [1, -1]]> : tensor<2x2xi8> as tensor<2x2xsi2>
// CHECK: imc.constant dense<{{\[\[}}1.000000e+00], [5.035000e-01]]> : tensor<2x1xf32> as tensor<2x1xf32>
// CHECK: imc.constant dense<{{\[\[}}2, -1], [0, 0]]> : tensor<2x2xi8> as tensor<2x2xsi3>

// THRESHOLD: ternary by threshold, 2 bits, 25% zero

// ENDS: fc1: weights quantised (4 bits, 4 bits, 0% zero)
// ENDS: fc4: weights quantised (4 bits, 4 bits, 0% zero)
func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w1 = imc.constant dense<[[1.3171, 0.2343], [0.7119, -0.4137]]> : tensor<2x2xf32> as tensor<2x2xf32>
  %w2 = imc.constant dense<[[1.0, 0.0937], [0.61, -0.397]]> : tensor<2x2xf32> as tensor<2x2xf32>
  %w3 = imc.constant dense<[[0.7001, -0.35], [0.0, -0.0]]> : tensor<2x2xf32> as tensor<2x2xf32>
  %a = imc.gemm %x, %w1 : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> loc("fc1")
  %b = imc.gemm %a, %w2 : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> loc("fc2")
  %c = imc.gemm %b, %w3 : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> loc("fc3")
  %d = imc.gemm %c, %w1 : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> loc("fc4")
  func.return %d : tensor<?x2xf32>
}
