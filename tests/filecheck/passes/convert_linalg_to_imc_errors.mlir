// RUN: imc-opt %s -p convert-linalg-to-imc --verify-diagnostics --split-input-file | filecheck %s

// CHECK: node 'generic_0': arith.addi gives -113 ... 142, which may overflow i8
#id = affine_map<(n, c) -> (n, c)>
func.func @overflow(%x: tensor<1x4xi8>) -> tensor<1x4xi8> {
  %e = tensor.empty() : tensor<1x4xi8>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<1x4xi8>) outs(%e : tensor<1x4xi8>) {
  ^bb0(%a: i8, %o: i8):
    %c = arith.constant 15 : i8
    %low = arith.constant -128 : i8
    %m = arith.maxsi %a, %low : i8
    %s = arith.addi %m, %c : i8
    %t = arith.maxsi %s, %low : i8
    linalg.yield %t : i8
  } -> tensor<1x4xi8>
  func.return %r : tensor<1x4xi8>
}

// -----

// CHECK: node 'generic_0': arith.extui reads unsigned, but its numbers go down to -128
#id = affine_map<(n, c) -> (n, c)>
func.func @unsigned(%x: tensor<1x4xi8>) -> tensor<1x4xi32> {
  %e = tensor.empty() : tensor<1x4xi32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<1x4xi8>) outs(%e : tensor<1x4xi32>) {
  ^bb0(%a: i8, %o: i32):
    %w = arith.extui %a : i8 to i32
    linalg.yield %w : i32
  } -> tensor<1x4xi32>
  func.return %r : tensor<1x4xi32>
}

// -----

// CHECK: node 'matmul_0': one factor must be an activation and the other one constant weights
func.func @weights(%x: tensor<1x4xi32>, %w: tensor<4x2xi32>) -> tensor<1x2xi32> {
  %zero = arith.constant dense<0> : tensor<1x2xi32>
  %y = linalg.matmul ins(%x, %w : tensor<1x4xi32>, tensor<4x2xi32>) outs(%zero : tensor<1x2xi32>) -> tensor<1x2xi32>
  func.return %y : tensor<1x2xi32>
}

// -----

// CHECK: node 'matmul_0': gives -4294967296 ... 4294967294, which may overflow i32
func.func @register(%x: tensor<1x2xi32>) -> tensor<1x1xi32> {
  %w = arith.constant dense<1> : tensor<2x1xi32>
  %zero = arith.constant dense<0> : tensor<1x1xi32>
  %y = linalg.matmul ins(%x, %w : tensor<1x2xi32>, tensor<2x1xi32>) outs(%zero : tensor<1x1xi32>) -> tensor<1x1xi32>
  func.return %y : tensor<1x1xi32>
}

// -----

// CHECK: node 'generic_0': arith.remsi is not supported
#id = affine_map<(n, c) -> (n, c)>
func.func @remainder(%x: tensor<1x4xi8>) -> tensor<1x4xi8> {
  %e = tensor.empty() : tensor<1x4xi8>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<1x4xi8>) outs(%e : tensor<1x4xi8>) {
  ^bb0(%a: i8, %o: i8):
    %s = arith.remsi %a, %a : i8
    linalg.yield %s : i8
  } -> tensor<1x4xi8>
  func.return %r : tensor<1x4xi8>
}

// -----

// CHECK: node 'transpose_0': moves axis 0, the batch, of an activation
func.func @batch(%x: tensor<4x4xi8>) -> tensor<4x4xi8> {
  %e = tensor.empty() : tensor<4x4xi8>
  %r = linalg.transpose ins(%x : tensor<4x4xi8>) outs(%e : tensor<4x4xi8>) permutation = [1, 0]
  func.return %r : tensor<4x4xi8>
}

// -----

// CHECK: node 'generic_0': repeats the elements of an activation from [4, 1] to [4, 3]
#row = affine_map<(n, c, d) -> (n, c)>
#full = affine_map<(n, c, d) -> (n, c, d)>
func.func @repeat(%x: tensor<1x4xi8>) -> tensor<1x4x3xi8> {
  %e = tensor.empty() : tensor<1x4x3xi8>
  %r = linalg.generic {indexing_maps = [#row, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x : tensor<1x4xi8>) outs(%e : tensor<1x4x3xi8>) {
  ^bb0(%a: i8, %o: i8):
    linalg.yield %a : i8
  } -> tensor<1x4x3xi8>
  func.return %r : tensor<1x4x3xi8>
}

// -----

// CHECK: argument 0 of 'half': f16 is not supported: integers and f32
func.func @half(%x: tensor<1x4xf16>) -> tensor<1x4xf16> {
  %e = tensor.empty() : tensor<1x4xf16>
  func.return %x : tensor<1x4xf16>
}
