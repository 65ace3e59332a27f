// RUN: IMC_ROUNDTRIP

// CHECK-LABEL: func.func @shapes
func.func @shapes(%x: tensor<?x4x6x6xsi4>, %y: tensor<?x2x6x6xsi4>, %f: tensor<?x4x6x6xf32>) {
  %0 = imc.reshape %x : (tensor<?x4x6x6xsi4>) -> tensor<?x144xsi4>
  // CHECK-NEXT: %0 = imc.reshape %x : (tensor<?x4x6x6xsi4>) -> tensor<?x144xsi4>
  %1 = imc.transpose %x {permutation = array<i64: 0, 2, 3, 1>} : (tensor<?x4x6x6xsi4>) -> tensor<?x6x6x4xsi4>
  // CHECK-NEXT: %1 = imc.transpose %x {permutation = array<i64: 0, 2, 3, 1>} : (tensor<?x4x6x6xsi4>) -> tensor<?x6x6x4xsi4>
  %2 = imc.concat %x, %y : (tensor<?x4x6x6xsi4>, tensor<?x2x6x6xsi4>) -> tensor<?x6x6x6xsi4>
  // CHECK-NEXT: %2 = imc.concat %x, %y : (tensor<?x4x6x6xsi4>, tensor<?x2x6x6xsi4>) -> tensor<?x6x6x6xsi4>
  %3 = imc.concat %x, %x {axis = 3 : i64} : (tensor<?x4x6x6xsi4>, tensor<?x4x6x6xsi4>) -> tensor<?x4x6x12xsi4>
  // CHECK-NEXT: %3 = imc.concat %x, %x {axis = 3 : i64} : (tensor<?x4x6x6xsi4>, tensor<?x4x6x6xsi4>) -> tensor<?x4x6x12xsi4>
  %4 = imc.pad %x {pads = array<i64: 0, 0, 1, 0, 0, 0, 1, 2>, value = -1 : i64} : (tensor<?x4x6x6xsi4>) -> tensor<?x4x8x8xsi4>
  // CHECK-NEXT: %4 = imc.pad %x {pads = array<i64: 0, 0, 1, 0, 0, 0, 1, 2>, value = -1 : i64} : (tensor<?x4x6x6xsi4>) -> tensor<?x4x8x8xsi4>
  %5 = imc.slice %x {axis = 1 : i64, start = 0 : i64, stop = 4 : i64, step = 2 : i64} : (tensor<?x4x6x6xsi4>) -> tensor<?x2x6x6xsi4>
  // CHECK-NEXT: %5 = imc.slice %x {axis = 1 : i64, start = 0 : i64, stop = 4 : i64, step = 2 : i64} : (tensor<?x4x6x6xsi4>) -> tensor<?x2x6x6xsi4>
  %6 = imc.depth_to_space %x {block = 2 : i64, column_row_depth = 1 : i64} : (tensor<?x4x6x6xsi4>) -> tensor<?x1x12x12xsi4>
  // CHECK-NEXT: %6 = imc.depth_to_space %x {block = 2 : i64, column_row_depth = 1 : i64} : (tensor<?x4x6x6xsi4>) -> tensor<?x1x12x12xsi4>
  %7 = imc.reduce_mean %f {axes = array<i64: 2, 3>} : (tensor<?x4x6x6xf32>) -> tensor<?x4x1x1xf32>
  // CHECK-NEXT: %7 = imc.reduce_mean %f {axes = array<i64: 2, 3>} : (tensor<?x4x6x6xf32>) -> tensor<?x4x1x1xf32>
  %8 = imc.top_k %x {axis = 1 : i64, count = 1 : i64} : (tensor<?x4x6x6xsi4>) -> tensor<?x1x6x6xui2>
  // CHECK-NEXT: %8 = imc.top_k %x {axis = 1 : i64} : (tensor<?x4x6x6xsi4>) -> tensor<?x1x6x6xui2>
  func.return
}
