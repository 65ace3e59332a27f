// RUN: imc-opt %s -p imc-narrow-ranges --split-input-file | filecheck %s

// Three weights that are not 0 and inputs in -2 ... 1: between -6 and 3, less the part of negative weights.
// CHECK-LABEL: func.func @accumulator(%x: tensor<?x4xsi2>) -> tensor<?x1xsi4>
// CHECK: imc.gemm %{{.*}} : (tensor<?x4xsi2>, tensor<1x4xsi2>) -> tensor<?x1xsi4>
func.func @accumulator(%x: tensor<?x4xsi2>) -> tensor<?x1xsi32> {
  %w = imc.constant dense<[[1, -1, 0, 1]]> : tensor<1x4xi8> as tensor<1x4xsi2>
  %y = imc.gemm %x, %w : (tensor<?x4xsi2>, tensor<1x4xsi2>) -> tensor<?x1xsi32>
  func.return %y : tensor<?x1xsi32>
}

// -----

// Level 0 is never held and level 3 never reached, in both directions; far thresholds come near.
// CHECK-LABEL: func.func @levels
// CHECK: imc.constant dense<{{\[\[}}2], [5]]> : tensor<2x1xi8> as tensor<2x1xui3>
// CHECK: imc.threshold %x, %{{.*}} descending %{{.*}} {low = 1 : i64} : (tensor<?x2xui3>, tensor<2x1xui3>, tensor<2xui1>) -> tensor<?x2xui2>
func.func @levels(%x: tensor<?x2xui3>) -> tensor<?x2xui4> {
  %t = imc.constant dense<[[-9, 2, 90], [0, 5, 8]]> : tensor<2x3xi8> as tensor<2x3xsi8>
  %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
  %y = imc.threshold %x, %t descending %d : (tensor<?x2xui3>, tensor<2x3xsi8>, tensor<2xui1>) -> tensor<?x2xui4>
  func.return %y : tensor<?x2xui4>
}

// -----

// What moves elements keeps one type; the network's inputs keep theirs.
// CHECK-LABEL: func.func @moved(%x: tensor<?x2x2x2xsi8>, %y: tensor<?x2x2x2xsi8>) -> tensor<?x16xsi8>
// CHECK: imc.clamp %x {low = 0 : i64, high = 3 : i64} : (tensor<?x2x2x2xsi8>) -> tensor<?x2x2x2xsi8>
// CHECK: imc.concat {{.*}} : (tensor<?x2x2x2xsi8>, tensor<?x2x2x2xsi8>) -> tensor<?x4x2x2xsi8>
func.func @moved(%x: tensor<?x2x2x2xsi8>, %y: tensor<?x2x2x2xsi8>) -> tensor<?x16xsi8> {
  %c = imc.clamp %x {low = 0 : i64, high = 3 : i64} : (tensor<?x2x2x2xsi8>) -> tensor<?x2x2x2xsi8>
  %0 = imc.concat %c, %y : (tensor<?x2x2x2xsi8>, tensor<?x2x2x2xsi8>) -> tensor<?x4x2x2xsi8>
  %1 = imc.reshape %0 : (tensor<?x4x2x2xsi8>) -> tensor<?x16xsi8>
  func.return %1 : tensor<?x16xsi8>
}
