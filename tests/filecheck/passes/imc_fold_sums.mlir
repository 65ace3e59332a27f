// RUN: imc-opt %s -p imc-fold-sums --split-input-file --print-debuginfo | filecheck %s

// round(0.5 * x + 0.75 * y) limited to 0 ... 7, ties to even: the ties lie between the weighted sums.
// CHECK-LABEL: func.func @residual
// CHECK-NEXT: %0 = imc.constant dense<2> : tensor<i8> as tensor<ui2> loc("quantise")
// CHECK-NEXT: %1 = imc.mul %x, %0 : (tensor<?x4xsi4>, tensor<ui2>) -> tensor<?x4xsi5> loc("left")
// CHECK-NEXT: %2 = imc.constant dense<3> : tensor<i8> as tensor<ui2> loc("quantise")
// CHECK-NEXT: %3 = imc.mul %y, %2 : (tensor<?x4xsi4>, tensor<ui2>) -> tensor<?x4xsi6> loc("right")
// CHECK-NEXT{LITERAL}: %4 = imc.constant dense<[[3, 6, 11, 14, 19, 22, 27]]> : tensor<1x7xi8> as tensor<1x7xui5> loc("quantise")
// CHECK-NEXT: %5 = imc.add %1, %3 : (tensor<?x4xsi5>, tensor<?x4xsi6>) -> tensor<?x4xsi7> loc(fused["left", "right", "sum", "act", "quantise"])
// CHECK-NEXT: %k = imc.threshold %5, %4 : (tensor<?x4xsi7>, tensor<1x7xui5>) -> tensor<?x4xui3> loc(fused["left", "right", "sum", "act", "quantise"])
// CHECK-NEXT: func.return %k : tensor<?x4xui3>
func.func @residual(%x: tensor<?x4xsi4>, %y: tensor<?x4xsi4>) -> tensor<?x4xui3> {
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %t = imc.constant dense<0.75> : tensor<f32> as tensor<f32>
  %one = imc.constant dense<1.0> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %p = imc.dequantize %x, %s, %z : (tensor<?x4xsi4>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32> loc("left")
  %q = imc.dequantize %y, %t, %z : (tensor<?x4xsi4>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32> loc("right")
  %a = imc.add %p, %q : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32> loc("sum")
  %r = imc.relu %a : (tensor<?x4xf32>) -> tensor<?x4xf32> loc("act")
  %k = imc.quantize %r, %one, %z {low = 0 : i64, high = 7 : i64} : (tensor<?x4xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x4xui3> loc("quantise")
  func.return %k : tensor<?x4xui3>
}

// -----

// CHECK-LABEL: func.func @difference
// CHECK-NEXT: %0 = imc.constant dense<-4> : tensor<i8> as tensor<si3>
// CHECK-NEXT: %1 = imc.mul %y, %0 : (tensor<?x4xsi4>, tensor<si3>) -> tensor<?x4xsi7>
// CHECK-NEXT{LITERAL}: %2 = imc.constant dense<[[-2, 3]]> : tensor<1x2xi8> as tensor<1x2xsi3>
// CHECK-NEXT: %3 = imc.add %x, %1 : (tensor<?x4xsi4>, tensor<?x4xsi7>) -> tensor<?x4xsi8>
// CHECK-NEXT: %k = imc.threshold %3, %2 {low = -1 : i64} : (tensor<?x4xsi8>, tensor<1x2xsi3>) -> tensor<?x4xsi2>
// CHECK-NEXT: func.return %k : tensor<?x4xsi2>
func.func @difference(%x: tensor<?x4xsi4>, %y: tensor<?x4xsi4>) -> tensor<?x4xsi2> {
  %s = imc.constant dense<0.25> : tensor<f32> as tensor<f32>
  %one = imc.constant dense<1.0> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %p = imc.dequantize %x, %s, %z : (tensor<?x4xsi4>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32>
  %q = imc.dequantize %y, %one, %z : (tensor<?x4xsi4>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32>
  %a = imc.sub %p, %q : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %k = imc.quantize %a, %one, %z {low = -1 : i64, high = 1 : i64} : (tensor<?x4xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x4xsi2>
  func.return %k : tensor<?x4xsi2>
}

// -----

// A product is no function of a weighted sum.
// CHECK-LABEL: func.func @product
// CHECK-NEXT: %one = imc.constant dense<1.000000e+00> : tensor<f32> as tensor<f32>
// CHECK-NEXT: %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %p = imc.dequantize %x, %one, %z : (tensor<?x4xsi4>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32>
// CHECK-NEXT: %q = imc.dequantize %y, %one, %z : (tensor<?x4xsi4>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32>
// CHECK-NEXT: %a = imc.mul %p, %q : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %k = imc.quantize %a, %one, %z {low = -8 : i64, high = 7 : i64} : (tensor<?x4xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x4xsi4>
// CHECK-NEXT: func.return %k : tensor<?x4xsi4>
func.func @product(%x: tensor<?x4xsi4>, %y: tensor<?x4xsi4>) -> tensor<?x4xsi4> {
  %one = imc.constant dense<1.0> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %p = imc.dequantize %x, %one, %z : (tensor<?x4xsi4>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32>
  %q = imc.dequantize %y, %one, %z : (tensor<?x4xsi4>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32>
  %a = imc.mul %p, %q : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %k = imc.quantize %a, %one, %z {low = -8 : i64, high = 7 : i64} : (tensor<?x4xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x4xsi4>
  func.return %k : tensor<?x4xsi4>
}

// -----

// Scales that differ from channel to channel are left alone.
// CHECK-LABEL: func.func @per_channel
// CHECK-NEXT: %s = imc.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32> as tensor<2xf32>
// CHECK-NEXT: %one = imc.constant dense<1.000000e+00> : tensor<f32> as tensor<f32>
// CHECK-NEXT: %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %p = imc.dequantize %x, %s, %z : (tensor<?x2xsi4>, tensor<2xf32>, tensor<ui1>) -> tensor<?x2xf32>
// CHECK-NEXT: %q = imc.dequantize %y, %one, %z : (tensor<?x2xsi4>, tensor<f32>, tensor<ui1>) -> tensor<?x2xf32>
// CHECK-NEXT: %a = imc.add %p, %q : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %k = imc.quantize %a, %one, %z {low = -8 : i64, high = 7 : i64} : (tensor<?x2xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x2xsi4>
// CHECK-NEXT: func.return %k : tensor<?x2xsi4>
func.func @per_channel(%x: tensor<?x2xsi4>, %y: tensor<?x2xsi4>) -> tensor<?x2xsi4> {
  %s = imc.constant dense<[1.0, 2.0]> : tensor<2xf32> as tensor<2xf32>
  %one = imc.constant dense<1.0> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %p = imc.dequantize %x, %s, %z : (tensor<?x2xsi4>, tensor<2xf32>, tensor<ui1>) -> tensor<?x2xf32>
  %q = imc.dequantize %y, %one, %z : (tensor<?x2xsi4>, tensor<f32>, tensor<ui1>) -> tensor<?x2xf32>
  %a = imc.add %p, %q : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
  %k = imc.quantize %a, %one, %z {low = -8 : i64, high = 7 : i64} : (tensor<?x2xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x2xsi4>
  func.return %k : tensor<?x2xsi4>
}
