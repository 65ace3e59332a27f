// RUN: imc-opt %s -p imc-canonicalize --split-input-file --print-debuginfo | filecheck %s
// RUN: imc-opt %s -p 'imc-canonicalize{fold-scales=true}' --split-input-file | filecheck %s --check-prefix=SCALES

// CHECK-LABEL: func.func @movement
// CHECK-NEXT: %[[R:.*]] = imc.reshape %x : (tensor<?x4x1x1xui2>) -> tensor<?x2x2xui2> loc(fused["flatten", "shape"])
// CHECK-NEXT: func.return %[[R]]
func.func @movement(%x: tensor<?x4x1x1xui2>) -> tensor<?x2x2xui2> {
  %a = imc.reshape %x : (tensor<?x4x1x1xui2>) -> tensor<?x4xui2> loc("flatten")
  %b = imc.relu %a : (tensor<?x4xui2>) -> tensor<?x4xui2> loc("relu")
  %c = imc.reshape %b : (tensor<?x4xui2>) -> tensor<?x2x2xui2> loc("shape")
  %d = imc.transpose %c {permutation = array<i64: 0, 2, 1>} : (tensor<?x2x2xui2>) -> tensor<?x2x2xui2>
  %e = imc.transpose %d {permutation = array<i64: 0, 2, 1>} : (tensor<?x2x2xui2>) -> tensor<?x2x2xui2>
  func.return %e : tensor<?x2x2xui2>
}

// -----

// CHECK-LABEL: func.func @identities
// CHECK-NEXT: func.return %x, %f
func.func @identities(%x: tensor<?x2x3x3xsi4>, %f: tensor<?x2x3x3xf32>) -> (tensor<?x2x3x3xsi4>, tensor<?x2x3x3xf32>) {
  %zero = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %one = imc.constant dense<1.0> : tensor<f32> as tensor<f32>
  %a = imc.add %x, %zero : (tensor<?x2x3x3xsi4>, tensor<ui1>) -> tensor<?x2x3x3xsi4>
  %b = imc.clamp %a {low = -8 : i64, high = 9 : i64} : (tensor<?x2x3x3xsi4>) -> tensor<?x2x3x3xsi4>
  %c = imc.cast %b : (tensor<?x2x3x3xsi4>) -> tensor<?x2x3x3xsi4>
  %d = imc.pad %c {pads = array<i64: 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<?x2x3x3xsi4>) -> tensor<?x2x3x3xsi4>
  %e = imc.slice %d {axis = 1 : i64, start = 0 : i64, stop = 2 : i64} : (tensor<?x2x3x3xsi4>) -> tensor<?x2x3x3xsi4>
  %g = imc.max_pool %e {kernel = array<i64: 1, 1>} : (tensor<?x2x3x3xsi4>) -> tensor<?x2x3x3xsi4>
  %h = imc.concat %g : (tensor<?x2x3x3xsi4>) -> tensor<?x2x3x3xsi4>
  %i = imc.mul %one, %f : (tensor<f32>, tensor<?x2x3x3xf32>) -> tensor<?x2x3x3xf32>
  %j = imc.avg_pool %i {kernel = array<i64: 1, 1>} : (tensor<?x2x3x3xf32>) -> tensor<?x2x3x3xf32>
  func.return %h, %j : tensor<?x2x3x3xsi4>, tensor<?x2x3x3xf32>
}

// -----

// Two clamps are one; a transpose of axes of size 1 is a reshape.
// CHECK-LABEL: func.func @merged
// CHECK-NEXT: %[[C:.*]] = imc.clamp %x {low = 0 : i64, high = 5 : i64} : (tensor<?x1x4xsi8>) -> tensor<?x1x4xsi8>
// CHECK-NEXT: imc.reshape %[[C]] : (tensor<?x1x4xsi8>) -> tensor<?x4x1xsi8>
func.func @merged(%x: tensor<?x1x4xsi8>) -> tensor<?x4x1xsi8> {
  %a = imc.clamp %x {low = -3 : i64, high = 5 : i64} : (tensor<?x1x4xsi8>) -> tensor<?x1x4xsi8>
  %b = imc.clamp %a {low = 0 : i64, high = 7 : i64} : (tensor<?x1x4xsi8>) -> tensor<?x1x4xsi8>
  %c = imc.transpose %b {permutation = array<i64: 0, 2, 1>} : (tensor<?x1x4xsi8>) -> tensor<?x4x1xsi8>
  func.return %c : tensor<?x4x1xsi8>
}

// -----

// Known values are computed; stored integers stay behind their scale until `fold-scales` asks.
// CHECK-LABEL: func.func @constants
// CHECK: %[[I:.*]] = imc.constant dense<{{\[\[}}-1, 1]]> : tensor<1x2xi8> as tensor<1x2xsi2>
// CHECK: imc.dequantize %[[I]]
// SCALES-LABEL: func.func @constants
// SCALES: imc.constant dense<{{\[\[}}-5.000000e-01, 5.000000e-01]]> : tensor<1x2xf32> as tensor<1x2xf32>
// SCALES-NOT: imc.dequantize
func.func @constants(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %i = imc.constant dense<[[1, -1]]> : tensor<1x2xi8> as tensor<1x2xsi2>
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %n = imc.neg %i : (tensor<1x2xsi2>) -> tensor<1x2xsi2>
  %w = imc.dequantize %n, %s, %z : (tensor<1x2xsi2>, tensor<f32>, tensor<ui1>) -> tensor<1x2xf32>
  %y = imc.gemm %x, %w : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}
