// RUN: imc-opt %s -p imc-lift-scales --split-input-file --print-debuginfo | filecheck %s

// Weights 0.3 * {1, -1, 0} and an input 0.5 * (q + 1): one integer layer, the zero point in its bias and its padding.
// CHECK-LABEL: func.func @zero_point
// CHECK-DAG: %[[W:.*]] = imc.constant dense<{{\[\[\[\[}}1, -1, 0], [0, 1, 1], [-1, 0, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
// CHECK-DAG: %[[B:.*]] = imc.constant dense<2> : tensor<1xi8> as tensor<1xui2>
// CHECK: %[[ACC:.*]] = imc.conv2d %{{.*}}, %[[W]] bias %[[B]] {pads = array<i64: 1, 1, 1, 1>, pad_value = -1 : i64} : (tensor<?x1x4x4xsi3>, tensor<1x1x3x3xsi2>, tensor<1xui2>) -> tensor<?x1x4x4xsi6> loc("conv")
// CHECK: imc.dequantize %[[ACC]], %{{.*}} : (tensor<?x1x4x4xsi6>, tensor<f32>, tensor<ui1>) -> tensor<?x1x4x4xf32> loc("conv")
func.func @zero_point(%x: tensor<?x1x4x4xsi3>) -> tensor<?x1x4x4xf32> {
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<-1> : tensor<i8> as tensor<si2>
  %w = imc.constant dense<[[[[0.3, -0.3, -0.0], [0.0, 0.3, 0.3], [-0.3, 0.0, 0.3]]]]> : tensor<1x1x3x3xf32> as tensor<1x1x3x3xf32>
  %d = imc.dequantize %x, %s, %z : (tensor<?x1x4x4xsi3>, tensor<f32>, tensor<si2>) -> tensor<?x1x4x4xf32> loc("input")
  %y = imc.conv2d %d, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<?x1x4x4xf32>, tensor<1x1x3x3xf32>) -> tensor<?x1x4x4xf32> loc("conv")
  func.return %y : tensor<?x1x4x4xf32>
}

// -----

// Two scales with a small ratio become small integers; a bias that is no multiple of the scale stays real.
// CHECK-LABEL: func.func @two_scales
// CHECK: imc.constant dense<{{\[\[}}3, -2], [0, 3]]> : tensor<2x2xi8> as tensor<2x2xsi3>
// CHECK: imc.gemm %{{[^ ]*}}, %{{[^ ]*}} : (tensor<?x2xui4>, tensor<2x2xsi3>) -> tensor<?x2xsi7>
// CHECK: imc.dequantize
// CHECK: imc.add %{{.*}} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
func.func @two_scales(%x: tensor<?x2xui4>) -> tensor<?x2xf32> {
  %w = imc.constant dense<[[0.75, -0.5], [0.0, 0.75]]> : tensor<2x2xf32> as tensor<2x2xf32>
  %b = imc.constant dense<[0.1, 0.5]> : tensor<2xf32> as tensor<2xf32>
  %d = imc.cast %x : (tensor<?x2xui4>) -> tensor<?x2xf32>
  %y = imc.gemm %d, %w bias %b : (tensor<?x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// -----

// Scales pass pooling, concatenation, reshapes and sums of commensurate scales; a mean becomes a sum.
// CHECK-LABEL: func.func @movement
// CHECK: %[[P:.*]] = imc.max_pool %{{.*}} : (tensor<?x2x4x4xui4>) -> tensor<?x2x2x2xui4>
// CHECK: %[[C:.*]] = imc.concat %[[P]], %[[P]] : (tensor<?x2x2x2xui4>, tensor<?x2x2x2xui4>) -> tensor<?x4x2x2xui4>
// CHECK: %[[T:.*]] = imc.mul %{{.*}} : (tensor<?x4x2x2xui4>, tensor<ui2>) -> tensor<?x4x2x2xui5>
// CHECK: %[[A:.*]] = imc.add %[[C]], %[[T]] : (tensor<?x4x2x2xui4>, tensor<?x4x2x2xui5>) -> tensor<?x4x2x2xui6>
// CHECK: %[[S:.*]] = imc.sum_pool %[[A]] {kernel = array<i64: 2, 2>} : (tensor<?x4x2x2xui6>) -> tensor<?x4x1x1xui8>
// CHECK: %[[R:.*]] = imc.reshape %[[S]] : (tensor<?x4x1x1xui8>) -> tensor<?x4xui8>
// CHECK: imc.gemm %[[R]]
func.func @movement(%x: tensor<?x2x4x4xui4>, %r: tensor<?x4x2x2xui4>) -> tensor<?x1xf32> {
  %s = imc.constant dense<0.25> : tensor<f32> as tensor<f32>
  %t = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %w = imc.constant dense<[[1.0, -1.0, 1.0, 0.0]]> : tensor<1x4xf32> as tensor<1x4xf32>
  %d = imc.dequantize %x, %s, %z : (tensor<?x2x4x4xui4>, tensor<f32>, tensor<ui1>) -> tensor<?x2x4x4xf32>
  %e = imc.dequantize %r, %t, %z : (tensor<?x4x2x2xui4>, tensor<f32>, tensor<ui1>) -> tensor<?x4x2x2xf32>
  %p = imc.max_pool %d {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x2x4x4xf32>) -> tensor<?x2x2x2xf32>
  %c = imc.concat %p, %p : (tensor<?x2x2x2xf32>, tensor<?x2x2x2xf32>) -> tensor<?x4x2x2xf32>
  %a = imc.add %c, %e : (tensor<?x4x2x2xf32>, tensor<?x4x2x2xf32>) -> tensor<?x4x2x2xf32>
  %m = imc.avg_pool %a {kernel = array<i64: 2, 2>} : (tensor<?x4x2x2xf32>) -> tensor<?x4x1x1xf32>
  %f = imc.reshape %m : (tensor<?x4x1x1xf32>) -> tensor<?x4xf32>
  %y = imc.gemm %f, %w : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// -----

// Limits around a rounding are a quantiser; sign is a threshold.
// CHECK-LABEL: func.func @recognised
// CHECK: imc.quantize %x, %{{.*}} {low = -1 : i64, high = 1 : i64} : (tensor<?x4xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x4xsi2>
// CHECK: imc.threshold %x, %{{.*}} {low = -1 : i64} : (tensor<?x4xf32>, tensor<1x2xf32>) -> tensor<?x4xsi2>
func.func @recognised(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %r = imc.round %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %c = imc.clip %r {low = -1.0 : f32, high = 1.0 : f32} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %s = imc.sign %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return %c, %s : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// Weights that are no small integers stay, with the reason.
// CHECK-LABEL: func.func @real_weights
// CHECK: imc.gemm {{.*}} {imc.float_reason = "the 2 different weights of output channel 0 are no multiples, up to 128, of one scale"}
func.func @real_weights(%x: tensor<?x2xui4>) -> tensor<?x1xf32> {
  %w = imc.constant dense<[[0.7312, -0.2911]]> : tensor<1x2xf32> as tensor<1x2xf32>
  %d = imc.cast %x : (tensor<?x2xui4>) -> tensor<?x2xf32>
  %y = imc.gemm %d, %w : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}
