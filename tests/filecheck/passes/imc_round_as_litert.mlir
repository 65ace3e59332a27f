// RUN: imc-opt %s -p imc-round-as-litert --split-input-file | filecheck %s

// Two roundings behind a convolution, and the limits of the activation around the zero point.
// CHECK-LABEL: func.func @convolution
// CHECK-NEXT: %0 = imc.constant dense<3> : tensor<1x1x1x1xi8> as tensor<1x1x1x1xsi3>
// CHECK-NEXT: %1 = imc.constant dense<4> : tensor<1xi8> as tensor<1xui3>
// CHECK-NEXT: %2 = imc.conv2d %x, %0 bias %1 : (tensor<?x1x2x2xsi8>, tensor<1x1x1x1xsi3>, tensor<1xui3>) -> tensor<?x1x2x2xsi10>
// CHECK-NEXT: %3 = imc.constant dense<1431655765> : tensor<i32> as tensor<ui31>
// CHECK-NEXT: %4 = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %5 = imc.constant dense<2147483648> : tensor<i64> as tensor<ui32>
// CHECK-NEXT: %6 = imc.requantize %2, %3, %4, %5 {mode = #imc<rounding half_up>} : (tensor<?x1x2x2xsi10>, tensor<ui31>, tensor<ui1>, tensor<ui32>) -> tensor<?x1x2x2xsi10>
// CHECK-NEXT: %7 = imc.constant dense<1> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %8 = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %9 = imc.constant dense<8> : tensor<i8> as tensor<ui4>
// CHECK-NEXT: %10 = imc.requantize %6, %7, %8, %9 {mode = #imc<rounding half_away>} : (tensor<?x1x2x2xsi10>, tensor<ui1>, tensor<ui1>, tensor<ui4>) -> tensor<?x1x2x2xsi8>
// CHECK-NEXT: %11 = imc.constant dense<4> : tensor<i8> as tensor<ui3>
// CHECK-NEXT: %12 = imc.add %10, %11 : (tensor<?x1x2x2xsi8>, tensor<ui3>) -> tensor<?x1x2x2xsi9>
// CHECK-NEXT: %k = imc.clamp %12 {low = 4 : i64, high = 127 : i64} : (tensor<?x1x2x2xsi9>) -> tensor<?x1x2x2xsi8>
// CHECK-NEXT: func.return %k : tensor<?x1x2x2xsi8>
func.func @convolution(%x: tensor<?x1x2x2xsi8>) -> tensor<?x1x2x2xsi8> {
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<1> : tensor<i8> as tensor<ui1>
  %none = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %w = imc.constant dense<[[[[3]]]]> : tensor<1x1x1x1xi8> as tensor<1x1x1x1xsi8>
  %b = imc.constant dense<[7]> : tensor<1xi8> as tensor<1xsi8>
  %o = imc.constant dense<4> : tensor<i8> as tensor<ui3>
  %t = imc.constant dense<3.0> : tensor<f32> as tensor<f32>
  %p = imc.dequantize %x, %s, %z : (tensor<?x1x2x2xsi8>, tensor<f32>, tensor<ui1>) -> tensor<?x1x2x2xf32>
  %q = imc.dequantize %w, %s, %none : (tensor<1x1x1x1xsi8>, tensor<f32>, tensor<ui1>) -> tensor<1x1x1x1xf32>
  %u = imc.constant dense<0.25> : tensor<f32> as tensor<f32>
  %c = imc.dequantize %b, %u, %none : (tensor<1xsi8>, tensor<f32>, tensor<ui1>) -> tensor<1xf32>
  %y = imc.conv2d %p, %q bias %c : (tensor<?x1x2x2xf32>, tensor<1x1x1x1xf32>, tensor<1xf32>) -> tensor<?x1x2x2xf32>
  %r = imc.relu %y : (tensor<?x1x2x2xf32>) -> tensor<?x1x2x2xf32>
  %k = imc.quantize %r, %t, %o {low = -128 : i64, high = 127 : i64} : (tensor<?x1x2x2xf32>, tensor<f32>, tensor<ui3>) -> tensor<?x1x2x2xsi8>
  func.return %k : tensor<?x1x2x2xsi8>
}

// -----

// A fully connected layer is rounded once.
// CHECK-LABEL: func.func @fully_connected
// CHECK-NEXT: %0 = imc.constant dense<3> : tensor<1x1xi8> as tensor<1x1xsi3>
// CHECK-NEXT: %1 = imc.gemm %x, %0 : (tensor<?x1xsi8>, tensor<1x1xsi3>) -> tensor<?x1xsi10>
// CHECK-NEXT: %2 = imc.constant dense<1073741824> : tensor<i32> as tensor<ui31>
// CHECK-NEXT: %3 = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %4 = imc.constant dense<2147483648> : tensor<i64> as tensor<ui32>
// CHECK-NEXT: %5 = imc.requantize %1, %2, %3, %4 {mode = #imc<rounding half_up>} : (tensor<?x1xsi10>, tensor<ui31>, tensor<ui1>, tensor<ui32>) -> tensor<?x1xsi10>
// CHECK-NEXT: %k = imc.clamp %5 {low = -128 : i64, high = 127 : i64} : (tensor<?x1xsi10>) -> tensor<?x1xsi8>
// CHECK-NEXT: func.return %k : tensor<?x1xsi8>
func.func @fully_connected(%x: tensor<?x1xsi8>) -> tensor<?x1xsi8> {
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %none = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %w = imc.constant dense<[[3]]> : tensor<1x1xi8> as tensor<1x1xsi8>
  %p = imc.dequantize %x, %s, %none : (tensor<?x1xsi8>, tensor<f32>, tensor<ui1>) -> tensor<?x1xf32>
  %q = imc.dequantize %w, %s, %none : (tensor<1x1xsi8>, tensor<f32>, tensor<ui1>) -> tensor<1x1xf32>
  %y = imc.gemm %p, %q : (tensor<?x1xf32>, tensor<1x1xf32>) -> tensor<?x1xf32>
  %k = imc.quantize %y, %s, %none {low = -128 : i64, high = 127 : i64} : (tensor<?x1xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x1xsi8>
  func.return %k : tensor<?x1xsi8>
}

// -----

// CHECK-LABEL: func.func @sum
// CHECK-NEXT: %0 = imc.constant dense<1125899906842624> : tensor<i64> as tensor<ui51>
// CHECK-NEXT: %1 = imc.constant dense<-1125899906842624> : tensor<i64> as tensor<si51>
// CHECK-NEXT: %2 = imc.constant dense<2147483648> : tensor<i64> as tensor<ui32>
// CHECK-NEXT: %3 = imc.requantize %x, %0, %1, %2 {mode = #imc<rounding half_up>} : (tensor<?x4xsi8>, tensor<ui51>, tensor<si51>, tensor<ui32>) -> tensor<?x4xsi28>
// CHECK-NEXT: %4 = imc.constant dense<1125899906842624> : tensor<i64> as tensor<ui51>
// CHECK-NEXT: %5 = imc.constant dense<-1125899906842624> : tensor<i64> as tensor<si51>
// CHECK-NEXT: %6 = imc.constant dense<2147483648> : tensor<i64> as tensor<ui32>
// CHECK-NEXT: %7 = imc.requantize %y, %4, %5, %6 {mode = #imc<rounding half_up>} : (tensor<?x4xsi8>, tensor<ui51>, tensor<si51>, tensor<ui32>) -> tensor<?x4xsi28>
// CHECK-NEXT: %8 = imc.constant dense<1> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %9 = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %10 = imc.constant dense<2> : tensor<i8> as tensor<ui2>
// CHECK-NEXT: %11 = imc.requantize %7, %8, %9, %10 {mode = #imc<rounding half_away>} : (tensor<?x4xsi28>, tensor<ui1>, tensor<ui1>, tensor<ui2>) -> tensor<?x4xsi28>
// CHECK-NEXT: %12 = imc.add %3, %11 : (tensor<?x4xsi28>, tensor<?x4xsi28>) -> tensor<?x4xsi29>
// CHECK-NEXT: %13 = imc.constant dense<1073741824> : tensor<i32> as tensor<ui31>
// CHECK-NEXT: %14 = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %15 = imc.constant dense<2147483648> : tensor<i64> as tensor<ui32>
// CHECK-NEXT: %16 = imc.requantize %12, %13, %14, %15 {mode = #imc<rounding half_up>} : (tensor<?x4xsi29>, tensor<ui31>, tensor<ui1>, tensor<ui32>) -> tensor<?x4xsi29>
// CHECK-NEXT: %17 = imc.constant dense<1> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %18 = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %19 = imc.constant dense<262144> : tensor<i32> as tensor<ui19>
// CHECK-NEXT: %20 = imc.requantize %16, %17, %18, %19 {mode = #imc<rounding half_away>} : (tensor<?x4xsi29>, tensor<ui1>, tensor<ui1>, tensor<ui19>) -> tensor<?x4xsi12>
// CHECK-NEXT: %21 = imc.constant dense<1> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %22 = imc.add %20, %21 : (tensor<?x4xsi12>, tensor<ui1>) -> tensor<?x4xsi13>
// CHECK-NEXT: %k = imc.clamp %22 {low = -128 : i64, high = 127 : i64} : (tensor<?x4xsi13>) -> tensor<?x4xsi8>
// CHECK-NEXT: func.return %k : tensor<?x4xsi8>
func.func @sum(%x: tensor<?x4xsi8>, %y: tensor<?x4xsi8>) -> tensor<?x4xsi8> {
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %t = imc.constant dense<0.25> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<1> : tensor<i8> as tensor<ui1>
  %p = imc.dequantize %x, %s, %z : (tensor<?x4xsi8>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32>
  %q = imc.dequantize %y, %t, %z : (tensor<?x4xsi8>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32>
  %a = imc.add %p, %q : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %k = imc.quantize %a, %s, %z {low = -128 : i64, high = 127 : i64} : (tensor<?x4xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x4xsi8>
  func.return %k : tensor<?x4xsi8>
}

// -----

// The mean of four integers, ties away from zero.
// CHECK-LABEL: func.func @mean
// CHECK-NEXT: %0 = imc.sum_pool %x {kernel = array<i64: 2, 2>} : (tensor<?x2x2x2xsi8>) -> tensor<?x2x1x1xsi10>
// CHECK-NEXT: %1 = imc.constant dense<1> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %2 = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %3 = imc.constant dense<4> : tensor<i8> as tensor<ui3>
// CHECK-NEXT: %4 = imc.requantize %0, %1, %2, %3 {mode = #imc<rounding half_away>} : (tensor<?x2x1x1xsi10>, tensor<ui1>, tensor<ui1>, tensor<ui3>) -> tensor<?x2x1x1xsi8>
// CHECK-NEXT: %k = imc.clamp %4 {low = -128 : i64, high = 127 : i64} : (tensor<?x2x1x1xsi8>) -> tensor<?x2x1x1xsi8>
// CHECK-NEXT: func.return %k : tensor<?x2x1x1xsi8>
func.func @mean(%x: tensor<?x2x2x2xsi8>) -> tensor<?x2x1x1xsi8> {
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<1> : tensor<i8> as tensor<ui1>
  %p = imc.dequantize %x, %s, %z : (tensor<?x2x2x2xsi8>, tensor<f32>, tensor<ui1>) -> tensor<?x2x2x2xf32>
  %a = imc.avg_pool %p {kernel = array<i64: 2, 2>} : (tensor<?x2x2x2xf32>) -> tensor<?x2x1x1xf32>
  %k = imc.quantize %a, %s, %z {low = -128 : i64, high = 127 : i64} : (tensor<?x2x1x1xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x2x1x1xsi8>
  func.return %k : tensor<?x2x1x1xsi8>
}

// -----

// A softmax stays in float32.
// CHECK-LABEL: func.func @softmax
// CHECK-NEXT: %s = imc.constant dense<5.000000e-01> : tensor<f32> as tensor<f32>
// CHECK-NEXT: %z = imc.constant dense<1> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %p = imc.dequantize %x, %s, %z : (tensor<?x4xsi8>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32>
// CHECK-NEXT: %a = imc.softmax %p {axis = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %k = imc.quantize %a, %s, %z {low = -128 : i64, high = 127 : i64} : (tensor<?x4xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x4xsi8>
// CHECK-NEXT: func.return %k : tensor<?x4xsi8>
func.func @softmax(%x: tensor<?x4xsi8>) -> tensor<?x4xsi8> {
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<1> : tensor<i8> as tensor<ui1>
  %p = imc.dequantize %x, %s, %z : (tensor<?x4xsi8>, tensor<f32>, tensor<ui1>) -> tensor<?x4xf32>
  %a = imc.softmax %p {axis = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %k = imc.quantize %a, %s, %z {low = -128 : i64, high = 127 : i64} : (tensor<?x4xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x4xsi8>
  func.return %k : tensor<?x4xsi8>
}
