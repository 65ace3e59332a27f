// RUN: IMC_DIAGNOSTICS

// CHECK: shapes ?x4 and ?x3 do not broadcast
func.func @main(%x: tensor<?x4xsi4>, %y: tensor<?x3xsi4>) {
  %0 = imc.add %x, %y : (tensor<?x4xsi4>, tensor<?x3xsi4>) -> tensor<?x4xsi5>
  func.return
}

// -----

// CHECK: result has shape ?x1, expected ?x4
func.func @main(%x: tensor<?x4xsi4>, %y: tensor<1xsi4>) {
  %0 = imc.sub %x, %y : (tensor<?x4xsi4>, tensor<1xsi4>) -> tensor<?x1xsi5>
  func.return
}

// -----

// CHECK: floating-point and integer tensors do not mix
func.func @main(%x: tensor<?x4xsi4>, %y: tensor<1xf32>) {
  %0 = imc.mul %x, %y : (tensor<?x4xsi4>, tensor<1xf32>) -> tensor<?x4xf32>
  func.return
}

// -----

// CHECK: floating-point and integer tensors do not mix
func.func @main(%x: tensor<?x4xsi4>, %y: tensor<1xf32>) {
  %0 = imc.greater %x, %y : (tensor<?x4xsi4>, tensor<1xf32>) -> tensor<?x4xui1>
  func.return
}

// -----

// CHECK: result has shape ?x3, expected ?x4
func.func @main(%x: tensor<?x4xf32>, %y: tensor<4xf32>) {
  %0 = imc.greater_equal %x, %y : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x3xui1>
  func.return
}

// -----

// CHECK: result has shape ?x2x2, expected ?x4
func.func @main(%x: tensor<?x4xsi4>) {
  %0 = imc.relu %x : (tensor<?x4xsi4>) -> tensor<?x2x2xui3>
  func.return
}

// -----

// CHECK: empty range 2 ... 1
func.func @main(%x: tensor<?x4xsi4>) {
  %0 = imc.clamp %x {low = 2 : i64, high = 1 : i64} : (tensor<?x4xsi4>) -> tensor<?x4xsi4>
  func.return
}

// -----

// CHECK: result has shape ?x5, expected ?x4
func.func @main(%x: tensor<?x4xsi4>) {
  %0 = imc.clamp %x {low = 0 : i64, high = 1 : i64} : (tensor<?x4xsi4>) -> tensor<?x5xsi4>
  func.return
}

// -----

// CHECK: si4 should be of base attribute f32
func.func @main(%x: tensor<?x4xsi4>) {
  %0 = imc.sqrt %x : (tensor<?x4xsi4>) -> tensor<?x4xf32>
  func.return
}

// -----

// CHECK: result has shape ?x5, expected ?x4
func.func @main(%x: tensor<?x4xf32>) {
  %0 = imc.round %x : (tensor<?x4xf32>) -> tensor<?x5xf32>
  func.return
}

// -----

// CHECK: axis 0 is outside 1 ... 1
func.func @main(%x: tensor<?x4xf32>) {
  %0 = imc.softmax %x {axis = 0 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return
}

// -----

// CHECK: i4 is not siN or uiN with N in 1 ... 62
func.func @main(%x: tensor<?x4xi4>) {
  %0 = imc.neg %x : (tensor<?x4xi4>) -> tensor<?x4xsi5>
  func.return
}
