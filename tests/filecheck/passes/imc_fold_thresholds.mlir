// RUN: imc-opt %s -p imc-fold-thresholds --split-input-file --print-debuginfo | filecheck %s

// round(0.5 * x + 0.25) limited to -1 ... 1; a negative gamma turns the second channel round; the third saturates.
// CHECK-LABEL: func.func @batch_norm
// CHECK-DAG: %[[T:.*]] = imc.constant dense<{{\[\[}}-1, 1], [0, 2], [-16, -16]]> : tensor<3x2xi8> as tensor<3x2xsi5>
// CHECK-DAG: %[[D:.*]] = imc.constant dense<[0, 1, 0]> : tensor<3xi8> as tensor<3xui1>
// CHECK: %[[Y:.*]] = imc.threshold %x, %[[T]] descending %[[D]] {low = -1 : i64} : (tensor<?x3x2x2xsi5>, tensor<3x2xsi5>, tensor<3xui1>) -> tensor<?x3x2x2xsi2> loc(fused["acc", "norm", "act"])
// CHECK-NEXT: func.return %[[Y]]
func.func @batch_norm(%x: tensor<?x3x2x2xsi5>) -> tensor<?x3x2x2xsi2> {
  %one = imc.constant dense<1.0> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %g = imc.constant dense<[0.5, -0.5, 0.0]> : tensor<3xf32> as tensor<3xf32>
  %h = imc.constant dense<[0.25, 0.25, 7.0]> : tensor<3xf32> as tensor<3xf32>
  %m = imc.constant dense<[0.0, 0.0, 0.0]> : tensor<3xf32> as tensor<3xf32>
  %v = imc.constant dense<[1.0, 1.0, 1.0]> : tensor<3xf32> as tensor<3xf32>
  %d = imc.dequantize %x, %one, %z : (tensor<?x3x2x2xsi5>, tensor<f32>, tensor<ui1>) -> tensor<?x3x2x2xf32> loc("acc")
  %b = imc.batch_norm %d, %g, %h, %m, %v {epsilon = 0.0 : f32} : (tensor<?x3x2x2xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<?x3x2x2xf32> loc("norm")
  %q = imc.quantize %b, %one, %z {low = -1 : i64, high = 1 : i64} : (tensor<?x3x2x2xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x3x2x2xsi2> loc("act")
  func.return %q : tensor<?x3x2x2xsi2>
}

// -----

// A sum of comparisons is one step function.
// CHECK-LABEL: func.func @comparisons
// CHECK: %[[T:.*]] = imc.constant dense<{{\[\[}}-2, 4]]> : tensor<1x2xi8> as tensor<1x2xsi4>
// CHECK: imc.threshold %x, %[[T]] : (tensor<?x4xsi6>, tensor<1x2xsi4>) -> tensor<?x4xui2>
// CHECK-NOT: imc.greater
func.func @comparisons(%x: tensor<?x4xsi6>) -> tensor<?x4xui2> {
  %a = imc.constant dense<-2.5> : tensor<f32> as tensor<f32>
  %b = imc.constant dense<3.0> : tensor<f32> as tensor<f32>
  %d = imc.cast %x : (tensor<?x4xsi6>) -> tensor<?x4xf32>
  %0 = imc.greater %d, %a : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xui1>
  %1 = imc.greater %d, %b : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xui1>
  %y = imc.add %0, %1 : (tensor<?x4xui1>, tensor<?x4xui1>) -> tensor<?x4xui2>
  func.return %y : tensor<?x4xui2>
}

// -----

// The quantiser moves before pooling and flattening.
// CHECK-LABEL: func.func @hoisted
// CHECK: %[[Q:.*]] = imc.threshold %x, %{{.*}} : (tensor<?x1x4x4xsi9>, tensor<1x3x{{.*}}>) -> tensor<?x1x4x4xui2>
// CHECK: %[[P:.*]] = imc.max_pool %[[Q]] {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui2>) -> tensor<?x1x2x2xui2>
// CHECK: imc.reshape %[[P]] : (tensor<?x1x2x2xui2>) -> tensor<?x4xui2>
func.func @hoisted(%x: tensor<?x1x4x4xsi9>) -> tensor<?x4xui2> {
  %s = imc.constant dense<0.125> : tensor<f32> as tensor<f32>
  %one = imc.constant dense<1.0> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %d = imc.dequantize %x, %s, %z : (tensor<?x1x4x4xsi9>, tensor<f32>, tensor<ui1>) -> tensor<?x1x4x4xf32>
  %p = imc.max_pool %d {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xf32>) -> tensor<?x1x2x2xf32>
  %r = imc.relu %p : (tensor<?x1x2x2xf32>) -> tensor<?x1x2x2xf32>
  %f = imc.reshape %r : (tensor<?x1x2x2xf32>) -> tensor<?x4xf32>
  %q = imc.quantize %f, %one, %z {low = 0 : i64, high = 3 : i64} : (tensor<?x4xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x4xui2>
  func.return %q : tensor<?x4xui2>
}

// -----

// Accumulators too wide to try every integer are bisected: floor((3x + 5) / 1000) in 0 ... 2.
// CHECK-LABEL: func.func @wide
// CHECK: imc.constant dense<{{\[\[}}332, 665]]> : tensor<1x2xi16> as tensor<1x2xui10>
// CHECK: imc.threshold %x
func.func @wide(%x: tensor<?x2xsi32>) -> tensor<?x2xui2> {
  %m = imc.constant dense<3> : tensor<i8> as tensor<ui2>
  %a = imc.constant dense<5> : tensor<i8> as tensor<ui3>
  %v = imc.constant dense<1000> : tensor<i16> as tensor<ui10>
  %q = imc.requantize %x, %m, %a, %v {low = 0 : i64, high = 2 : i64} : (tensor<?x2xsi32>, tensor<ui2>, tensor<ui3>, tensor<ui10>) -> tensor<?x2xui2>
  func.return %q : tensor<?x2xui2>
}

// -----

// Not monotone: left alone.
// CHECK-LABEL: func.func @absolute
// CHECK: imc.abs
// CHECK: imc.quantize
// CHECK-NOT: imc.threshold
func.func @absolute(%x: tensor<?x4xsi6>) -> tensor<?x4xui2> {
  %one = imc.constant dense<1.0> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %d = imc.cast %x : (tensor<?x4xsi6>) -> tensor<?x4xf32>
  %a = imc.abs %d : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %q = imc.quantize %a, %one, %z {low = 0 : i64, high = 3 : i64} : (tensor<?x4xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x4xui2>
  func.return %q : tensor<?x4xui2>
}
