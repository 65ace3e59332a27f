// RUN: IMC_ROUNDTRIP

// CHECK-LABEL: func.func @binary
func.func @binary(%x: tensor<?x4xsi4>, %y: tensor<?x4xui3>, %f: tensor<?x4xf32>) {
  %c = imc.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32> as tensor<4xf32>
  // CHECK-NEXT: %c = imc.constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00]> : tensor<4xf32> as tensor<4xf32>
  %0 = imc.add %x, %y : (tensor<?x4xsi4>, tensor<?x4xui3>) -> tensor<?x4xsi5>
  // CHECK-NEXT: %0 = imc.add %x, %y : (tensor<?x4xsi4>, tensor<?x4xui3>) -> tensor<?x4xsi5>
  %1 = imc.sub %x, %y : (tensor<?x4xsi4>, tensor<?x4xui3>) -> tensor<?x4xsi5>
  // CHECK-NEXT: %1 = imc.sub %x, %y : (tensor<?x4xsi4>, tensor<?x4xui3>) -> tensor<?x4xsi5>
  %2 = imc.mul %x, %y : (tensor<?x4xsi4>, tensor<?x4xui3>) -> tensor<?x4xsi7>
  // CHECK-NEXT: %2 = imc.mul %x, %y : (tensor<?x4xsi4>, tensor<?x4xui3>) -> tensor<?x4xsi7>
  %3 = imc.div %f, %c : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  // CHECK-NEXT: %3 = imc.div %f, %c : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %4 = imc.pow %f, %c : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  // CHECK-NEXT: %4 = imc.pow %f, %c : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %5 = imc.greater %x, %y : (tensor<?x4xsi4>, tensor<?x4xui3>) -> tensor<?x4xui1>
  // CHECK-NEXT: %5 = imc.greater %x, %y : (tensor<?x4xsi4>, tensor<?x4xui3>) -> tensor<?x4xui1>
  %6 = imc.greater_equal %f, %c : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xui1>
  // CHECK-NEXT: %6 = imc.greater_equal %f, %c : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xui1>
  func.return
}

// CHECK-LABEL: func.func @unary
func.func @unary(%x: tensor<?x4xsi4>, %f: tensor<?x4xf32>) {
  %0 = imc.relu %x : (tensor<?x4xsi4>) -> tensor<?x4xui3>
  // CHECK-NEXT: %0 = imc.relu %x : (tensor<?x4xsi4>) -> tensor<?x4xui3>
  %1 = imc.neg %x : (tensor<?x4xsi4>) -> tensor<?x4xsi5>
  // CHECK-NEXT: %1 = imc.neg %x : (tensor<?x4xsi4>) -> tensor<?x4xsi5>
  %2 = imc.abs %x : (tensor<?x4xsi4>) -> tensor<?x4xui4>
  // CHECK-NEXT: %2 = imc.abs %x : (tensor<?x4xsi4>) -> tensor<?x4xui4>
  %3 = imc.sign %x : (tensor<?x4xsi4>) -> tensor<?x4xsi2>
  // CHECK-NEXT: %3 = imc.sign %x : (tensor<?x4xsi4>) -> tensor<?x4xsi2>
  %4 = imc.cast %x : (tensor<?x4xsi4>) -> tensor<?x4xf32>
  // CHECK-NEXT: %4 = imc.cast %x : (tensor<?x4xsi4>) -> tensor<?x4xf32>
  %5 = imc.clamp %x {low = -2 : i64, high = 1 : i64} : (tensor<?x4xsi4>) -> tensor<?x4xsi2>
  // CHECK-NEXT: %5 = imc.clamp %x {low = -2 : i64, high = 1 : i64} : (tensor<?x4xsi4>) -> tensor<?x4xsi2>
  func.return
}

// CHECK-LABEL: func.func @float
func.func @float(%f: tensor<?x4xf32>) {
  %0 = imc.clip %f {low = -1.000000e+00 : f32, high = 1.000000e+00 : f32} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK-NEXT: %0 = imc.clip %f {low = -1.000000e+00 : f32, high = 1.000000e+00 : f32} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = imc.round %f : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK-NEXT: %1 = imc.round %f : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %2 = imc.round %f {mode = #imc<rounding floor>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK-NEXT: %2 = imc.round %f {mode = #imc<rounding floor>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %3 = imc.sqrt %f : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK-NEXT: %3 = imc.sqrt %f : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %4 = imc.erf %f : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK-NEXT: %4 = imc.erf %f : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %5 = imc.sigmoid %f : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK-NEXT: %5 = imc.sigmoid %f : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %6 = imc.softmax %f {axis = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK-NEXT: %6 = imc.softmax %f {axis = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %7 = imc.log_softmax %f {axis = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK-NEXT: %7 = imc.log_softmax %f {axis = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return
}
