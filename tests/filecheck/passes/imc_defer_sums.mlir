// RUN: imc-opt %s -p 'imc-assign-units{target=dimc-256x256-mesh},imc-defer-sums' --split-input-file --print-debuginfo | filecheck %s

// The layer takes the 4-bit pixels instead of their 10-bit sum; the digital unit adds up what comes out.
// CHECK: %0 = imc.constant dense<[[[[1]], [[-1]]]]> : tensor<1x2x1x1xi8> as tensor<1x2x1x1xsi2> loc("gemm")
// CHECK-NEXT: %1 = imc.conv2d %x, %0 {imc.unit = #imc<unit crossbar>} : (tensor<?x2x7x7xui4>, tensor<1x2x1x1xsi2>) -> tensor<?x1x7x7xsi5> loc(fused["sum", "gemm"])
// CHECK-NEXT: %2 = imc.sum_pool %1 {imc.unit = #imc<unit digital>, kernel = array<i64: 7, 7>} : (tensor<?x1x7x7xsi5>) -> tensor<?x1x1x1xsi11> loc(fused["gemm", "sum"])
// CHECK-NEXT: %y = imc.reshape %2 {imc.unit = #imc<unit digital>} : (tensor<?x1x1x1xsi11>) -> tensor<?x1xsi11> loc("gemm")
// CHECK-NEXT: func.return %y
func.func @main(%x: tensor<?x2x7x7xui4> {imc.name = "x"}) -> (tensor<?x1xsi11> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1]]> : tensor<1x2xi8> as tensor<1x2xsi2>
  %s = imc.sum_pool %x {kernel = array<i64: 7, 7>} : (tensor<?x2x7x7xui4>) -> tensor<?x2x1x1xui10> loc("sum")
  %v = imc.reshape %s : (tensor<?x2x1x1xui10>) -> tensor<?x2xui10> loc("flatten")
  %y = imc.gemm %v, %w : (tensor<?x2xui10>, tensor<1x2xsi2>) -> tensor<?x1xsi11> loc("gemm")
  func.return %y : tensor<?x1xsi11>
}

// -----

// A bias is added once, behind the sum; a 1 x 1 convolution needs no other shape.
// CHECK: %1 = imc.conv2d %x, %0 {imc.unit = #imc<unit crossbar>} : (tensor<?x1x4x8xsi8>, tensor<2x1x1x1xsi3>) -> tensor<?x2x4x8xsi10>
// CHECK-NEXT: %2 = imc.sum_pool %1 {imc.unit = #imc<unit digital>, kernel = array<i64: 4, 8>} : (tensor<?x2x4x8xsi10>) -> tensor<?x2x1x1xsi15>
// CHECK-NEXT: %3 = imc.constant dense<{{.*}}> : tensor<1x2x1x1xi8> as tensor<1x2x1x1xsi5>
// CHECK-NEXT: %y = imc.add %2, %3 {imc.unit = #imc<unit digital>} : (tensor<?x2x1x1xsi15>, tensor<1x2x1x1xsi5>) -> tensor<?x2x1x1xsi16>
// CHECK-NEXT: func.return %y
func.func @main(%x: tensor<?x1x4x8xsi8> {imc.name = "x"}) -> (tensor<?x2x1x1xsi16> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[3]]], [[[-2]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi3>
  %b = imc.constant dense<[9, -9]> : tensor<2xi8> as tensor<2xsi5>
  %s = imc.sum_pool %x {kernel = array<i64: 4, 8>} : (tensor<?x1x4x8xsi8>) -> tensor<?x1x1x1xsi13>
  %y = imc.conv2d %s, %w bias %b : (tensor<?x1x1x1xsi13>, tensor<2x1x1x1xsi3>, tensor<2xsi5>) -> tensor<?x2x1x1xsi16>
  func.return %y : tensor<?x2x1x1xsi16>
}

// -----

// Left alone: a sum narrow enough for the macros, one that something else reads, and one of a part of the map.
// CHECK: imc.sum_pool %n
// CHECK: imc.gemm %v, %w {imc.unit = #imc<unit crossbar>}
// CHECK: imc.sum_pool %x
// CHECK: imc.gemm %u, %w {imc.unit = #imc<unit digital>}
// CHECK: imc.sum_pool %x {{.*}}kernel = array<i64: 8, 4>
// CHECK: imc.conv2d {{.*}} {imc.unit = #imc<unit digital>}
func.func @main(%x: tensor<?x1x8x8xui4> {imc.name = "x"}, %n: tensor<?x1x2x2xui4> {imc.name = "n"}) -> (tensor<?x1xui6> {imc.name = "a"}, tensor<?x1xui10> {imc.name = "b"}, tensor<?x1x1x1xui10> {imc.name = "c"}, tensor<?x1x1x5xui9> {imc.name = "d"}) {
  %w = imc.constant dense<[[1]]> : tensor<1x1xi8> as tensor<1x1xui1>
  %k = imc.constant dense<[[[[1]]]]> : tensor<1x1x1x1xi8> as tensor<1x1x1x1xui1>
  %s = imc.sum_pool %n {kernel = array<i64: 2, 2>} : (tensor<?x1x2x2xui4>) -> tensor<?x1x1x1xui6>
  %v = imc.reshape %s : (tensor<?x1x1x1xui6>) -> tensor<?x1xui6>
  %a = imc.gemm %v, %w : (tensor<?x1xui6>, tensor<1x1xui1>) -> tensor<?x1xui6>
  %t = imc.sum_pool %x {kernel = array<i64: 8, 8>} : (tensor<?x1x8x8xui4>) -> tensor<?x1x1x1xui10>
  %u = imc.reshape %t : (tensor<?x1x1x1xui10>) -> tensor<?x1xui10>
  %b = imc.gemm %u, %w : (tensor<?x1xui10>, tensor<1x1xui1>) -> tensor<?x1xui10>
  %p = imc.sum_pool %x {kernel = array<i64: 8, 4>} : (tensor<?x1x8x8xui4>) -> tensor<?x1x1x5xui9>
  %d = imc.conv2d %p, %k : (tensor<?x1x1x5xui9>, tensor<1x1x1x1xui1>) -> tensor<?x1x1x5xui9>
  func.return %a, %b, %t, %d : tensor<?x1xui6>, tensor<?x1xui10>, tensor<?x1x1x1xui10>, tensor<?x1x1x5xui9>
}
