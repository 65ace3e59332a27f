// RUN: imc-opt %s -p convert-linalg-to-imc,imc-verify-network --split-input-file | filecheck %s

// A named convolution; the sum of 18 products of i8 and +-1 needs 13 bits; the initial value becomes the bias.
// CHECK-LABEL: func.func @conv(%x: tensor<?x2x6x6xsi8> {imc.name = "input", imc.dtype = "int8"}) -> (tensor<?x2x2x2xsi13> {imc.name = "output", imc.dtype = "int32"})
// CHECK: imc.constant dense<[3, -5]> : tensor<2xi8> as tensor<2xsi4>
// CHECK: imc.conv2d %x, %{{.*}} bias %{{.*}} {strides = array<i64: 2, 2>} : (tensor<?x2x6x6xsi8>, tensor<2x2x3x3xui1>, tensor<2xsi4>) -> tensor<?x2x2x2xsi13>
func.func @conv(%x: tensor<1x2x6x6xi8>) -> tensor<1x2x2x2xi32> {
  %w = arith.constant dense<1> : tensor<2x2x3x3xi8>
  %bias = arith.constant dense<[3, -5]> : tensor<2xi32>
  %e = tensor.empty() : tensor<1x2x2x2xi32>
  %init = linalg.broadcast ins(%bias : tensor<2xi32>) outs(%e : tensor<1x2x2x2xi32>) dimensions = [0, 2, 3]
  %y = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>} ins(%x, %w : tensor<1x2x6x6xi8>, tensor<2x2x3x3xi8>) outs(%init : tensor<1x2x2x2xi32>) -> tensor<1x2x2x2xi32>
  func.return %y : tensor<1x2x2x2xi32>
}

// -----

// Channels last, explicit padding with the zero point, which moves into the bias; arithmetic stays in the layer's layout.
#in = affine_map<(n, oh, ow, f, kh, kw, c) -> (n, oh + kh, ow + kw, c)>
#w = affine_map<(n, oh, ow, f, kh, kw, c) -> (kh, kw, c, f)>
#out = affine_map<(n, oh, ow, f, kh, kw, c) -> (n, oh, ow, f)>
#id = affine_map<(n, h, w, c) -> (n, h, w, c)>
#ch = affine_map<(n, h, w, c) -> (c)>
// CHECK-LABEL: func.func @nhwc
// CHECK: imc.constant dense<[12, -6]> : tensor<2xi8> as tensor<2xsi5>
// CHECK: imc.transpose %x {permutation = array<i64: 0, 3, 1, 2>} : (tensor<?x3x3x1xsi8>) -> tensor<?x1x3x3xsi8>
// CHECK: %[[CONV:.*]] = imc.conv2d {{.*}} {pads = array<i64: 1, 1, 0, 0>, pad_value = -3 : i64} : (tensor<?x1x3x3xsi8>, tensor<2x1x2x2xsi2>, tensor<2xsi5>) -> tensor<?x2x3x3xsi11>
// CHECK: imc.constant dense<[{{\[\[}}7]], [{{\[}}-9]]]> : tensor<2x1x1xi8> as tensor<2x1x1xsi5>
// CHECK: imc.requantize %[[CONV]], {{.*}} -> tensor<?x2x3x3xsi9>
// CHECK: imc.clamp {{.*}} {low = 0 : i64, high = 15 : i64} : (tensor<?x2x3x3xui7>) -> tensor<?x2x3x3xui4>
// CHECK: imc.transpose %{{.*}} {permutation = array<i64: 0, 2, 3, 1>} : (tensor<?x2x3x3xui4>) -> tensor<?x3x3x2xui4>
func.func @nhwc(%x: tensor<1x3x3x1xi8>) -> tensor<1x3x3x2xi8> {
  %zp = arith.constant -3 : i8
  %pad = tensor.pad %x low[0, 1, 1, 0] high[0, 0, 0, 0] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zp : i8
  } : tensor<1x3x3x1xi8> to tensor<1x4x4x1xi8>
  %w = arith.constant dense<[[[[1, -1]], [[1, -1]]], [[[1, 0]], [[1, 0]]]]> : tensor<2x2x1x2xi8>
  %c3 = arith.constant 3 : i32
  %zero = arith.constant dense<0> : tensor<1x3x3x2xi32>
  %y = linalg.generic {indexing_maps = [#in, #w, #out], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]} ins(%pad, %w : tensor<1x4x4x1xi8>, tensor<2x2x1x2xi8>) outs(%zero : tensor<1x3x3x2xi32>) {
  ^bb0(%a: i8, %b: i8, %acc: i32):
    %a32 = arith.extsi %a : i8 to i32
    %centred = arith.addi %a32, %c3 : i32
    %b32 = arith.extsi %b : i8 to i32
    %p = arith.muli %centred, %b32 : i32
    %s = arith.addi %acc, %p : i32
    linalg.yield %s : i32
  } -> tensor<1x3x3x2xi32>
  %bias = arith.constant dense<[7, -9]> : tensor<2xi32>
  %e = tensor.empty() : tensor<1x3x3x2xi8>
  %r = linalg.generic {indexing_maps = [#id, #ch, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%y, %bias : tensor<1x3x3x2xi32>, tensor<2xi32>) outs(%e : tensor<1x3x3x2xi8>) {
  ^bb0(%a: i32, %b: i32, %o: i8):
    %three = arith.constant 3 : i32
    %lo = arith.constant 0 : i32
    %hi = arith.constant 15 : i32
    %s = arith.addi %a, %b : i32
    %q = arith.shrsi %s, %three : i32
    %q1 = arith.maxsi %q, %lo : i32
    %q2 = arith.minsi %q1, %hi : i32
    %t = arith.trunci %q2 : i32 to i8
    linalg.yield %t : i8
  } -> tensor<1x3x3x2xi8>
  func.return %r : tensor<1x3x3x2xi8>
}

// -----

// Depthwise, then the maximum over windows, the mean's sum and a matrix product; unsigned arguments read extui.
#din = affine_map<(n, c, oh, ow, kh, kw) -> (n, c, oh + kh, ow + kw)>
#dw = affine_map<(n, c, oh, ow, kh, kw) -> (c, kh, kw)>
#dout = affine_map<(n, c, oh, ow, kh, kw) -> (n, c, oh, ow)>
// CHECK-LABEL: func.func @depthwise(%x: tensor<?x2x5x5xui8> {imc.name = "image", imc.dtype = "uint8"})
// CHECK: imc.conv2d %x, %{{.*}} {groups = 2 : i64} : (tensor<?x2x5x5xui8>, tensor<2x1x2x2xui1>) -> tensor<?x2x4x4xui10>
// CHECK: imc.max_pool %{{.*}} {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x2x4x4xui10>) -> tensor<?x2x2x2xui10>
// CHECK: imc.sum_pool %{{.*}} {kernel = array<i64: 2, 2>} : (tensor<?x2x2x2xui10>) -> tensor<?x2x1x1xui12>
// CHECK: imc.reshape %{{.*}} : (tensor<?x2x1x1xui12>) -> tensor<?x2xui12>
// CHECK: imc.gemm %{{.*}} : (tensor<?x2xui12>, tensor<3x2xsi2>) -> tensor<?x3xsi13>
func.func @depthwise(%x: tensor<?x2x5x5xi8> {imc.unsigned, imc.name = "image"}) -> tensor<?x3xi32> {
  %w = arith.constant dense<1> : tensor<2x2x2xi8>
  %zero = arith.constant dense<0> : tensor<1x2x4x4xi32>
  %y = linalg.generic {indexing_maps = [#din, #dw, #dout], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]} ins(%x, %w : tensor<?x2x5x5xi8>, tensor<2x2x2xi8>) outs(%zero : tensor<1x2x4x4xi32>) {
  ^bb0(%a: i8, %b: i8, %acc: i32):
    %a32 = arith.extui %a : i8 to i32
    %b32 = arith.extsi %b : i8 to i32
    %p = arith.muli %a32, %b32 : i32
    %s = arith.addi %acc, %p : i32
    linalg.yield %s : i32
  } -> tensor<?x2x4x4xi32>
  %least = arith.constant dense<-2147483648> : tensor<1x2x2x2xi32>
  %window = tensor.empty() : tensor<2x2xi32>
  %m = linalg.pooling_nchw_max {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>} ins(%y, %window : tensor<?x2x4x4xi32>, tensor<2x2xi32>) outs(%least : tensor<1x2x2x2xi32>) -> tensor<?x2x2x2xi32>
  %none1 = arith.constant dense<0> : tensor<1x2xi32>
  %none = tensor.cast %none1 : tensor<1x2xi32> to tensor<?x2xi32>
  %t = linalg.reduce ins(%m : tensor<?x2x2x2xi32>) outs(%none : tensor<?x2xi32>) dimensions = [2, 3]
  (%a: i32, %acc: i32) {
    %s = arith.addi %a, %acc : i32
    linalg.yield %s : i32
  }
  %fc = arith.constant dense<[[1, -1, 0], [0, 1, -1]]> : tensor<2x3xi32>
  %fz = arith.constant dense<0> : tensor<1x3xi32>
  %out = linalg.matmul ins(%t, %fc : tensor<?x2xi32>, tensor<2x3xi32>) outs(%fz : tensor<1x3xi32>) -> tensor<?x3xi32>
  func.return %out : tensor<?x3xi32>
}

// -----

// Two varying tensors: a maximum is a sum with a relu.
#id2 = affine_map<(n, c) -> (n, c)>
// CHECK-LABEL: func.func @maximum
// CHECK: imc.sub %y, %x : (tensor<?x4xsi8>, tensor<?x4xsi8>) -> tensor<?x4xsi9>
// CHECK: imc.relu %{{.*}} : (tensor<?x4xsi9>) -> tensor<?x4xui8>
// CHECK: imc.add %x, %{{.*}} : (tensor<?x4xsi8>, tensor<?x4xui8>) -> tensor<?x4xsi10>
func.func @maximum(%x: tensor<1x4xi8>, %y: tensor<1x4xi8>) -> tensor<1x4xi8> {
  %e = tensor.empty() : tensor<1x4xi8>
  %r = linalg.generic {indexing_maps = [#id2, #id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%x, %y : tensor<1x4xi8>, tensor<1x4xi8>) outs(%e : tensor<1x4xi8>) {
  ^bb0(%a: i8, %b: i8, %o: i8):
    %k = arith.cmpi sgt, %a, %b : i8
    %m = arith.select %k, %a, %b : i8
    linalg.yield %m : i8
  } -> tensor<1x4xi8>
  func.return %r : tensor<1x4xi8>
}

// -----

// A network of the dialect stays as it is.
// CHECK-LABEL: func.func @network(%x: tensor<?x4xsi8>) -> tensor<?x4xui7>
// CHECK-NEXT: imc.relu
func.func @network(%x: tensor<?x4xsi8>) -> tensor<?x4xui7> {
  %y = imc.relu %x : (tensor<?x4xsi8>) -> tensor<?x4xui7>
  func.return %y : tensor<?x4xui7>
}
