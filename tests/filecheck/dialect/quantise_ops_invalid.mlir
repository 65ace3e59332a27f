// RUN: IMC_DIAGNOSTICS

// CHECK: range -3 ... 1 does not fit si2, which holds -2 ... 1
func.func @main(%f: tensor<?x2x3xf32>, %s: tensor<1xf32>, %z: tensor<1xsi4>) {
  %0 = imc.quantize %f, %s, %z {low = -3 : i64, high = 1 : i64} : (tensor<?x2x3xf32>, tensor<1xf32>, tensor<1xsi4>) -> tensor<?x2x3xsi2>
  func.return
}

// -----

// CHECK: range 2 ... 1 does not fit si4
func.func @main(%f: tensor<?x2x3xf32>, %s: tensor<1xf32>, %z: tensor<1xsi4>) {
  %0 = imc.quantize %f, %s, %z {low = 2 : i64, high = 1 : i64} : (tensor<?x2x3xf32>, tensor<1xf32>, tensor<1xsi4>) -> tensor<?x2x3xsi4>
  func.return
}

// -----

// CHECK: shapes ?x2x3 and 4 do not broadcast
func.func @main(%f: tensor<?x2x3xf32>, %s: tensor<4xf32>, %z: tensor<1xsi4>) {
  %0 = imc.quantize %f, %s, %z {low = 0 : i64, high = 1 : i64} : (tensor<?x2x3xf32>, tensor<4xf32>, tensor<1xsi4>) -> tensor<?x2x3xsi2>
  func.return
}

// -----

// CHECK: shapes ?x2x3 and 4 do not broadcast
func.func @main(%x: tensor<?x2x3xsi8>, %s: tensor<4xf32>, %z: tensor<1xsi4>) {
  %0 = imc.dequantize %x, %s, %z : (tensor<?x2x3xsi8>, tensor<4xf32>, tensor<1xsi4>) -> tensor<?x2x3xf32>
  func.return
}

// -----

// CHECK: result has shape ?x3, expected ?x2x3
func.func @main(%x: tensor<?x2x3xsi8>, %s: tensor<1xf32>, %z: tensor<1xsi4>) {
  %0 = imc.dequantize %x, %s, %z : (tensor<?x2x3xsi8>, tensor<1xf32>, tensor<1xsi4>) -> tensor<?x3xf32>
  func.return
}

// -----

// CHECK: result has shape ?x6, expected ?x2x3
func.func @main(%x: tensor<?x2x3xsi8>) {
  %0 = imc.bipolar %x : (tensor<?x2x3xsi8>) -> tensor<?x6xsi2>
  func.return
}

// -----

// CHECK: thresholds have 3 rows for 2 channels
func.func @main(%x: tensor<?x2x3xsi8>, %t: tensor<3x2xsi8>) {
  %0 = imc.threshold %x, %t : (tensor<?x2x3xsi8>, tensor<3x2xsi8>) -> tensor<?x2x3xui2>
  func.return
}

// -----

// CHECK: thresholds has 1 axes, expected 2
func.func @main(%x: tensor<?x2x3xsi8>, %t: tensor<2xsi8>) {
  %0 = imc.threshold %x, %t : (tensor<?x2x3xsi8>, tensor<2xsi8>) -> tensor<?x2x3xui2>
  func.return
}

// -----

// CHECK: descending has shape 3, expected 2
func.func @main(%x: tensor<?x2x3xsi8>, %t: tensor<2x2xsi8>, %d: tensor<3xui1>) {
  %0 = imc.threshold %x, %t descending %d : (tensor<?x2x3xsi8>, tensor<2x2xsi8>, tensor<3xui1>) -> tensor<?x2x3xui2>
  func.return
}

// -----

// CHECK: input and thresholds must both be integers or both f32
func.func @main(%x: tensor<?x2x3xsi8>, %t: tensor<2x2xf32>) {
  %0 = imc.threshold %x, %t : (tensor<?x2x3xsi8>, tensor<2x2xf32>) -> tensor<?x2x3xui2>
  func.return
}

// -----

// CHECK: range 0 ... 4 does not fit ui2, which holds 0 ... 3
func.func @main(%x: tensor<?x2x3xsi8>, %t: tensor<1x4xsi8>) {
  %0 = imc.threshold %x, %t : (tensor<?x2x3xsi8>, tensor<1x4xsi8>) -> tensor<?x2x3xui2>
  func.return
}

// -----

// CHECK: low and high come together
func.func @main(%x: tensor<?x2x3xsi8>, %c: tensor<1xsi4>) {
  %0 = imc.requantize %x, %c, %c, %c {low = 0 : i64} : (tensor<?x2x3xsi8>, tensor<1xsi4>, tensor<1xsi4>, tensor<1xsi4>) -> tensor<?x2x3xsi4>
  func.return
}

// -----

// CHECK: range 0 ... 8 does not fit si4, which holds -8 ... 7
func.func @main(%x: tensor<?x2x3xsi8>, %c: tensor<1xsi4>) {
  %0 = imc.requantize %x, %c, %c, %c {low = 0 : i64, high = 8 : i64} : (tensor<?x2x3xsi8>, tensor<1xsi4>, tensor<1xsi4>, tensor<1xsi4>) -> tensor<?x2x3xsi4>
  func.return
}

// -----

// CHECK: shapes ?x2x3 and 4 do not broadcast
func.func @main(%x: tensor<?x2x3xsi8>, %c: tensor<4xsi4>) {
  %0 = imc.requantize %x, %c, %c, %c : (tensor<?x2x3xsi8>, tensor<4xsi4>, tensor<4xsi4>, tensor<4xsi4>) -> tensor<?x2x3xsi4>
  func.return
}
