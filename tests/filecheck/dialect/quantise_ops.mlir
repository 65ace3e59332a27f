// RUN: IMC_ROUNDTRIP

// CHECK-LABEL: func.func @real_to_integer
func.func @real_to_integer(%f: tensor<?x2x3x3xf32>, %x: tensor<?x2x3x3xsi8>) {
  %s = imc.constant dense<0.25> : tensor<1xf32> as tensor<1xf32>
  // CHECK-NEXT: %s = imc.constant dense<2.500000e-01> : tensor<1xf32> as tensor<1xf32>
  %z = imc.constant dense<0> : tensor<1xi8> as tensor<1xui1>
  // CHECK-NEXT: %z = imc.constant dense<0> : tensor<1xi8> as tensor<1xui1>
  %0 = imc.quantize %f, %s, %z {low = -2 : i64, high = 1 : i64} : (tensor<?x2x3x3xf32>, tensor<1xf32>, tensor<1xui1>) -> tensor<?x2x3x3xsi2>
  // CHECK-NEXT: %0 = imc.quantize %f, %s, %z {low = -2 : i64, high = 1 : i64} : (tensor<?x2x3x3xf32>, tensor<1xf32>, tensor<1xui1>) -> tensor<?x2x3x3xsi2>
  %1 = imc.quantize %f, %s, %z {low = 0 : i64, high = 15 : i64, mode = #imc<rounding half_up>, zero_point_inside} : (tensor<?x2x3x3xf32>, tensor<1xf32>, tensor<1xui1>) -> tensor<?x2x3x3xui4>
  // CHECK-NEXT: %1 = imc.quantize %f, %s, %z {low = 0 : i64, high = 15 : i64, mode = #imc<rounding half_up>, zero_point_inside} : (tensor<?x2x3x3xf32>, tensor<1xf32>, tensor<1xui1>) -> tensor<?x2x3x3xui4>
  %2 = imc.dequantize %x, %s, %z : (tensor<?x2x3x3xsi8>, tensor<1xf32>, tensor<1xui1>) -> tensor<?x2x3x3xf32>
  // CHECK-NEXT: %2 = imc.dequantize %x, %s, %z : (tensor<?x2x3x3xsi8>, tensor<1xf32>, tensor<1xui1>) -> tensor<?x2x3x3xf32>
  %3 = imc.bipolar %f : (tensor<?x2x3x3xf32>) -> tensor<?x2x3x3xsi2>
  // CHECK-NEXT: %3 = imc.bipolar %f : (tensor<?x2x3x3xf32>) -> tensor<?x2x3x3xsi2>
  func.return
}

// CHECK-LABEL: func.func @steps
func.func @steps(%f: tensor<?x2x3x3xf32>, %x: tensor<?x2x3x3xsi8>) {
  %t = imc.constant dense<[[-5, 0, 5], [-1, 2, 3]]> : tensor<2x3xi8> as tensor<2x3xsi4>
  // CHECK-NEXT{LITERAL}: %t = imc.constant dense<[[-5, 0, 5], [-1, 2, 3]]> : tensor<2x3xi8> as tensor<2x3xsi4>
  %u = imc.constant dense<[[-0.5, 0.5]]> : tensor<1x2xf32> as tensor<1x2xf32>
  // CHECK-NEXT{LITERAL}: %u = imc.constant dense<[[-5.000000e-01, 5.000000e-01]]> : tensor<1x2xf32> as tensor<1x2xf32>
  %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
  // CHECK-NEXT: %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
  %0 = imc.threshold %x, %t : (tensor<?x2x3x3xsi8>, tensor<2x3xsi4>) -> tensor<?x2x3x3xui2>
  // CHECK-NEXT: %0 = imc.threshold %x, %t : (tensor<?x2x3x3xsi8>, tensor<2x3xsi4>) -> tensor<?x2x3x3xui2>
  %1 = imc.threshold %x, %t descending %d {low = -1 : i64} : (tensor<?x2x3x3xsi8>, tensor<2x3xsi4>, tensor<2xui1>) -> tensor<?x2x3x3xsi3>
  // CHECK-NEXT: %1 = imc.threshold %x, %t descending %d {low = -1 : i64} : (tensor<?x2x3x3xsi8>, tensor<2x3xsi4>, tensor<2xui1>) -> tensor<?x2x3x3xsi3>
  %2 = imc.threshold %f, %u {low = -1 : i64} : (tensor<?x2x3x3xf32>, tensor<1x2xf32>) -> tensor<?x2x3x3xsi2>
  // CHECK-NEXT: %2 = imc.threshold %f, %u {low = -1 : i64} : (tensor<?x2x3x3xf32>, tensor<1x2xf32>) -> tensor<?x2x3x3xsi2>
  func.return
}

// CHECK-LABEL: func.func @integer_requantisation
func.func @integer_requantisation(%x: tensor<?x2x3x3xsi8>) {
  %m = imc.constant dense<[[[3]], [[-5]]]> : tensor<2x1x1xi8> as tensor<2x1x1xsi4>
  // CHECK-NEXT{LITERAL}: %m = imc.constant dense<[[[3]], [[-5]]]> : tensor<2x1x1xi8> as tensor<2x1x1xsi4>
  %a = imc.constant dense<7> : tensor<1xi8> as tensor<1xui3>
  // CHECK-NEXT: %a = imc.constant dense<7> : tensor<1xi8> as tensor<1xui3>
  %d = imc.constant dense<255> : tensor<1xi16> as tensor<1xui8>
  // CHECK-NEXT: %d = imc.constant dense<255> : tensor<1xi16> as tensor<1xui8>
  %0 = imc.requantize %x, %m, %a, %d {low = 0 : i64, high = 3 : i64, mode = #imc<rounding half_up>} : (tensor<?x2x3x3xsi8>, tensor<2x1x1xsi4>, tensor<1xui3>, tensor<1xui8>) -> tensor<?x2x3x3xui2>
  // CHECK-NEXT: %0 = imc.requantize %x, %m, %a, %d {low = 0 : i64, high = 3 : i64, mode = #imc<rounding half_up>} : (tensor<?x2x3x3xsi8>, tensor<2x1x1xsi4>, tensor<1xui3>, tensor<1xui8>) -> tensor<?x2x3x3xui2>
  %1 = imc.requantize %x, %m, %a, %d : (tensor<?x2x3x3xsi8>, tensor<2x1x1xsi4>, tensor<1xui3>, tensor<1xui8>) -> tensor<?x2x3x3xsi4>
  // CHECK-NEXT: %1 = imc.requantize %x, %m, %a, %d : (tensor<?x2x3x3xsi8>, tensor<2x1x1xsi4>, tensor<1xui3>, tensor<1xui8>) -> tensor<?x2x3x3xsi4>
  func.return
}
