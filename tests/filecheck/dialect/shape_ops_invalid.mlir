// RUN: IMC_DIAGNOSTICS

// CHECK: cannot reshape ?x4x6x6 to ?x100
func.func @main(%x: tensor<?x4x6x6xsi4>) {
  %0 = imc.reshape %x : (tensor<?x4x6x6xsi4>) -> tensor<?x100xsi4>
  func.return
}

// -----

// CHECK: a reshape keeps the element type
func.func @main(%x: tensor<?x4x6x6xsi4>) {
  %0 = imc.reshape %x : (tensor<?x4x6x6xsi4>) -> tensor<?x144xsi5>
  func.return
}

// -----

// CHECK: [1, 0, 2, 3] is not a permutation of 4 axes that keeps axis 0
func.func @main(%x: tensor<?x4x6x6xsi4>) {
  %0 = imc.transpose %x {permutation = array<i64: 1, 0, 2, 3>} : (tensor<?x4x6x6xsi4>) -> tensor<4x?x6x6xsi4>
  func.return
}

// -----

// CHECK: result has shape ?x4x6x6, expected ?x6x6x4
func.func @main(%x: tensor<?x4x6x6xsi4>) {
  %0 = imc.transpose %x {permutation = array<i64: 0, 2, 3, 1>} : (tensor<?x4x6x6xsi4>) -> tensor<?x4x6x6xsi4>
  func.return
}

// -----

// CHECK: axis 0 does not exist or is the batch
func.func @main(%x: tensor<?x4x6x6xsi4>) {
  %0 = imc.concat %x, %x {axis = 0 : i64} : (tensor<?x4x6x6xsi4>, tensor<?x4x6x6xsi4>) -> tensor<?x4x6x6xsi4>
  func.return
}

// -----

// CHECK: all inputs and the result must have one element type
func.func @main(%x: tensor<?x4x6x6xsi4>, %y: tensor<?x4x6x6xui4>) {
  %0 = imc.concat %x, %y : (tensor<?x4x6x6xsi4>, tensor<?x4x6x6xui4>) -> tensor<?x8x6x6xsi4>
  func.return
}

// -----

// CHECK: differ in more than axis 1
func.func @main(%x: tensor<?x4x6x6xsi4>, %y: tensor<?x4x6x5xsi4>) {
  %0 = imc.concat %x, %y : (tensor<?x4x6x6xsi4>, tensor<?x4x6x5xsi4>) -> tensor<?x8x6x6xsi4>
  func.return
}

// -----

// CHECK: pads [1, 0, 0, 0, 0, 0, 0, 0] must be 8 integers of at least 0, with 0 for the batch
func.func @main(%x: tensor<?x4x6x6xsi4>) {
  %0 = imc.pad %x {pads = array<i64: 1, 0, 0, 0, 0, 0, 0, 0>} : (tensor<?x4x6x6xsi4>) -> tensor<?x4x6x6xsi4>
  func.return
}

// -----

// CHECK: result has shape ?x4x6x6, expected ?x4x8x8
func.func @main(%x: tensor<?x4x6x6xsi4>) {
  %0 = imc.pad %x {pads = array<i64: 0, 0, 1, 1, 0, 0, 1, 1>} : (tensor<?x4x6x6xsi4>) -> tensor<?x4x6x6xsi4>
  func.return
}

// -----

// CHECK: slice 2:5:1 of axis 1 is outside the shape ?x4x6x6
func.func @main(%x: tensor<?x4x6x6xsi4>) {
  %0 = imc.slice %x {axis = 1 : i64, start = 2 : i64, stop = 5 : i64} : (tensor<?x4x6x6xsi4>) -> tensor<?x3x6x6xsi4>
  func.return
}

// -----

// CHECK: 4 channels do not divide into blocks of 3x3
func.func @main(%x: tensor<?x4x6x6xsi4>) {
  %0 = imc.depth_to_space %x {block = 3 : i64} : (tensor<?x4x6x6xsi4>) -> tensor<?x1x18x18xsi4>
  func.return
}

// -----

// CHECK: axes [2] are outside 1 ... 1
func.func @main(%f: tensor<?x4xf32>) {
  %0 = imc.reduce_mean %f {axes = array<i64: 2>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return
}

// -----

// CHECK: the 5 largest of axis 1 do not exist in the shape ?x4x6x6
func.func @main(%x: tensor<?x4x6x6xsi4>) {
  %0 = imc.top_k %x {axis = 1 : i64, count = 5 : i64} : (tensor<?x4x6x6xsi4>) -> tensor<?x5x6x6xui2>
  func.return
}
