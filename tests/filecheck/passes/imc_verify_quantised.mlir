// RUN: imc-opt %s -p imc-lift-scales,imc-verify-quantised --verify-diagnostics --split-input-file | filecheck %s

// A full-precision last layer and what follows may stay in floating point, and is reported.
// CHECK: module attributes
// CHECK-SAME: imc.level = "quantised"
// CHECK-SAME: imc.notes = ["after the last integer layer, 4 ops run in floating point on the digital unit (dequantize, sigmoid, gemm, softmax; nodes: fc1, act, fc2, prob)", "node 'fc2' (imc.gemm) stays in floating point: its input is not quantised: it comes from node 'act' (imc.sigmoid)"]
func.func @main(%x: tensor<?x2xsi4>) -> tensor<?x2xf32> {
  %w = imc.constant dense<[[1, -1], [0, 1]]> : tensor<2x2xi8> as tensor<2x2xsi2>
  %v = imc.constant dense<[[0.25, 0.5], [0.75, -0.1]]> : tensor<2x2xf32> as tensor<2x2xf32>
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %a = imc.gemm %x, %w : (tensor<?x2xsi4>, tensor<2x2xsi2>) -> tensor<?x2xsi5> loc("fc1")
  %b = imc.dequantize %a, %s, %z : (tensor<?x2xsi5>, tensor<f32>, tensor<ui1>) -> tensor<?x2xf32> loc("fc1")
  %c = imc.sigmoid %b : (tensor<?x2xf32>) -> tensor<?x2xf32> loc("act")
  %d = imc.gemm %c, %v : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> loc("fc2")
  %e = imc.softmax %d {axis = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32> loc("prob")
  func.return %e : tensor<?x2xf32>
}

// -----

// Floating-point activations without calibration: the message says how to get integers.
// CHECK: no layer is quantised: node 'fc1' (imc.gemm) stays in floating point: its input is not quantised: it comes from the network's input; give sample inputs to quantise the activations: --calibrate IN.npz --activation-bits N
func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = imc.constant dense<[[1.0, -1.0], [0.0, 1.0]]> : tensor<2x2xf32> as tensor<2x2xf32>
  %a = imc.gemm %x, %w : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> loc("fc1")
  %b = imc.relu %a : (tensor<?x2xf32>) -> tensor<?x2xf32> loc("act")
  %c = imc.gemm %b, %w : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> loc("fc2")
  func.return %c : tensor<?x2xf32>
}

// -----

// An inner layer may not stay in floating point.
// CHECK: node 'fc2' (imc.gemm) stays in floating point between other layers: its input is not quantised: it comes from node 'act' (imc.sigmoid); give sample inputs
func.func @main(%x: tensor<?x2xsi4>) -> tensor<?x2xf32> {
  %w = imc.constant dense<[[1, -1], [0, 1]]> : tensor<2x2xi8> as tensor<2x2xsi2>
  %v = imc.constant dense<[[1.0, -1.0], [0.0, 1.0]]> : tensor<2x2xf32> as tensor<2x2xf32>
  %a = imc.gemm %x, %w : (tensor<?x2xsi4>, tensor<2x2xsi2>) -> tensor<?x2xsi5> loc("fc1")
  %b = imc.cast %a : (tensor<?x2xsi5>) -> tensor<?x2xf32>
  %c = imc.sigmoid %b : (tensor<?x2xf32>) -> tensor<?x2xf32> loc("act")
  %d = imc.gemm %c, %v : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> loc("fc2")
  %e = imc.relu %d : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %f = imc.gemm %e, %v : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> loc("fc3")
  func.return %f : tensor<?x2xf32>
}

// -----

// CHECK: node 'fc1' (imc.gemm): its weights are not constant
func.func @main(%x: tensor<?x2xsi4>, %w: tensor<?x2xsi2>) -> tensor<?x?xsi6> {
  %a = imc.gemm %x, %w : (tensor<?x2xsi4>, tensor<?x2xsi2>) -> tensor<?x?xsi6> loc("fc1")
  func.return %a : tensor<?x?xsi6>
}
